-- When each rule was looked at last: replicas take turns by it.
CREATE TABLE rule_turn (
  rule text PRIMARY KEY CHECK (length(rule) BETWEEN 1 AND 63),
  evaluated_at timestamptz NOT NULL
);

-- Series that are beyond their bound now. What is within it has no row.
CREATE TABLE series_state (
  rule text NOT NULL CHECK (length(rule) BETWEEN 1 AND 63),
  -- What the figure is of: "api=orders", or empty.
  series text NOT NULL CHECK (length(series) <= 1000),
  state text NOT NULL CHECK (state IN ('pending', 'firing')),
  since timestamptz NOT NULL,
  incident_id uuid NOT NULL,
  value double precision NOT NULL,
  PRIMARY KEY (rule, series)
);

-- What somebody is to be told, each once.
CREATE TABLE notification (
  notification_id uuid PRIMARY KEY,
  incident_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('firing', 'resolved')),
  receiver text NOT NULL CHECK (length(receiver) BETWEEN 1 AND 63),
  content jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  next_attempt_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'given up')),
  last_problem text NOT NULL DEFAULT '',
  UNIQUE (incident_id, kind, receiver)
);
CREATE INDEX notification_waiting ON notification (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX notification_created ON notification (created_at);
