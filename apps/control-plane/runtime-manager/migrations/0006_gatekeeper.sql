-- What operators set for the gatekeeper; the nearest counts: app, environment, fabric.
ALTER TABLE app ADD COLUMN gatekeeper text NOT NULL DEFAULT '' CHECK (length(gatekeeper) <= 40);

CREATE TABLE gatekeeper_setting (
  org text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('environment', 'fabric')),
  -- Name of the environment, id of the fabric.
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
  value text NOT NULL CHECK (length(value) BETWEEN 1 AND 40),
  PRIMARY KEY (org, kind, name)
);
