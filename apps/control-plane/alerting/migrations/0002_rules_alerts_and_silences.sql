-- Rules that operators applied, each version whole. The newest of an environment is in force.
CREATE TABLE rule_set (
  environment text NOT NULL CHECK (length(environment) BETWEEN 1 AND 63),
  version integer NOT NULL CHECK (version > 0),
  rules jsonb NOT NULL,
  applied_at timestamptz NOT NULL,
  applied_by text NOT NULL CHECK (length(applied_by) <= 200),
  PRIMARY KEY (environment, version)
);

-- What came of the last look at a rule. Replicas take turns by it, and lock it while they write what they saw.
CREATE TABLE rule_state (
  environment text NOT NULL CHECK (length(environment) BETWEEN 1 AND 63),
  rule text NOT NULL CHECK (length(rule) BETWEEN 1 AND 63),
  evaluated_at timestamptz NOT NULL,
  succeeded_at timestamptz,
  -- Why its figures cannot be read; empty when they can.
  problem text NOT NULL DEFAULT '',
  -- [{series, value}], the farthest beyond the bound first.
  readings jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (environment, rule)
);

-- Series that are or were beyond their bound. Those that are over are forgotten after a while.
CREATE TABLE incident (
  -- UUIDv7: sorted by it is sorted by time.
  incident_id uuid PRIMARY KEY,
  environment text NOT NULL CHECK (length(environment) BETWEEN 1 AND 63),
  rule text NOT NULL CHECK (length(rule) BETWEEN 1 AND 63),
  -- What the figure is of: "api=orders", or empty.
  series text NOT NULL CHECK (length(series) <= 1000),
  state text NOT NULL CHECK (state IN ('pending', 'firing', 'resolved', 'withdrawn')),
  figure text NOT NULL,
  bound text NOT NULL,
  summary text NOT NULL,
  since timestamptz NOT NULL,
  fired_at timestamptz,
  -- When receivers were first to be told; not while it is silenced.
  told_at timestamptz,
  ended_at timestamptz,
  value double precision NOT NULL
);
CREATE UNIQUE INDEX incident_open ON incident (environment, rule, series) WHERE state IN ('pending', 'firing');
CREATE INDEX incident_of_environment ON incident (environment, incident_id);
CREATE INDEX incident_ended ON incident (ended_at) WHERE state IN ('resolved', 'withdrawn');

CREATE TABLE silence (
  silence_id uuid PRIMARY KEY,
  environment text NOT NULL CHECK (length(environment) BETWEEN 1 AND 63),
  -- Empty: every rule, every series.
  rule text NOT NULL CHECK (length(rule) <= 63),
  series text NOT NULL CHECK (length(series) <= 1000),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  created_at timestamptz NOT NULL,
  created_by text NOT NULL CHECK (length(created_by) <= 200),
  until timestamptz NOT NULL,
  ended_at timestamptz,
  ended_by text NOT NULL DEFAULT ''
);
CREATE INDEX silence_of_environment ON silence (environment, until);

-- What fires goes on firing under its name, and is not told again. rule_turn and series_state are the previous version's.
INSERT INTO incident
  (incident_id, environment, rule, series, state, figure, bound, summary, since, fired_at, told_at, value)
SELECT DISTINCT ON (s.incident_id)
  s.incident_id, n.content ->> 'environment', s.rule, s.series, 'firing', n.content ->> 'figure', n.content ->> 'bound',
  n.content ->> 'summary', s.since, n.created_at, n.created_at, s.value
FROM series_state s JOIN notification n USING (incident_id)
WHERE s.state = 'firing' AND n.kind = 'firing';
INSERT INTO rule_state (environment, rule, evaluated_at)
SELECT DISTINCT environment, rule, now() FROM incident;
