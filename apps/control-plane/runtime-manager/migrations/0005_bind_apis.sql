-- Does the manifest declare APIs? Asked for all fabrics whose tunnels are held, again and again.
ALTER TABLE app ADD COLUMN is_bound boolean NOT NULL GENERATED ALWAYS AS (
  CASE WHEN manifest_json = '' THEN false
    ELSE coalesce(jsonb_typeof(manifest_json::jsonb -> 'apis') = 'array' AND manifest_json::jsonb -> 'apis' <> '[]', false)
  END
) STORED;
CREATE INDEX app_bound_fabric ON app (fabric_id) WHERE is_bound;
