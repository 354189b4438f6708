-- Hosts and paths of an app on the ports that a fabric's apps share: [{"host", "path"}]. That no two apps of a fabric have the
-- same one is looked after by whoever writes, behind the lock of the fabric's row.
ALTER TABLE app ADD COLUMN routes jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(routes) = 'array');
