-- Since when, as far as anybody knows, no app refers to it. Empty while one does, and again as soon as somebody deploys it.
ALTER TABLE bundle ADD COLUMN unreferenced_since timestamptz;
ALTER TABLE configuration ADD COLUMN unreferenced_since timestamptz;

-- From here on the bundle is gone for everybody, and its file is being removed; the row goes last. A new upload takes it back.
ALTER TABLE bundle ADD COLUMN removing_since timestamptz;
CREATE INDEX bundle_removing ON bundle (digest) WHERE removing_since IS NOT NULL;

-- Whole bundles in the folder that have no row in `bundle`: what a crash between the two left, or a restored backup.
CREATE TABLE unrecorded_blob (
  digest text PRIMARY KEY CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
  first_seen_at timestamptz NOT NULL
);
