-- Captures of requests and answers of an API (META 4). A row outlives its capture, and its API, for as long as what it took may
-- be kept, so that it can be looked at.
CREATE TABLE capture (
  capture_id uuid PRIMARY KEY,
  org text NOT NULL CHECK (length(org) BETWEEN 1 AND 63),
  api_id uuid NOT NULL,
  environment text NOT NULL,
  name text NOT NULL,
  version text NOT NULL,
  -- drawbridge.apis.v1.Capture: what the document of the API says while the capture runs.
  settings bytea NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'ended', 'stopped')),
  started_at timestamptz NOT NULL,
  started_by text NOT NULL,
  ends_at timestamptz NOT NULL,
  -- When and by whom it was stopped, or when it ran out.
  over_at timestamptz,
  stopped_by text NOT NULL DEFAULT '',
  CHECK (ends_at > started_at AND ends_at <= started_at + interval '24 hours'),
  CHECK ((state = 'running') = (over_at IS NULL))
);
CREATE INDEX capture_list ON capture (org, started_at DESC, capture_id);
CREATE INDEX capture_running ON capture (api_id) WHERE state = 'running';
