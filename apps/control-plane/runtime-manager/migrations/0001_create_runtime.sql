-- Which life of this record it is. Made once; a restore from backup must make a new one (see README), so that agents
-- compare afresh instead of ignoring what looks old to them.
CREATE TABLE incarnation (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  incarnation_id uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO incarnation DEFAULT VALUES;

CREATE TABLE fabric (
  fabric_id uuid PRIMARY KEY,
  org text NOT NULL CHECK (length(org) BETWEEN 1 AND 63),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
  region text NOT NULL CHECK (length(region) <= 200),
  environments text[] NOT NULL CHECK (cardinality(environments) BETWEEN 1 AND 100),
  -- Agent that speaks for the fabric; empty before activation.
  agent_id uuid,
  agent_issued_at timestamptz,
  -- Counts every session that was ever welcomed: of two sessions the one with the higher number is the current one.
  session_order bigint NOT NULL DEFAULT 0,
  -- From 1, so that even an empty snapshot is newer than none.
  desired_generation bigint NOT NULL DEFAULT 1 CHECK (desired_generation >= 1),
  -- When that generation was made: the snapshot's issued_at.
  generation_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  deleted_at timestamptz
);
CREATE UNIQUE INDEX fabric_live_name ON fabric (org, name) WHERE deleted_at IS NULL;

CREATE TABLE agent (
  agent_id uuid PRIMARY KEY,
  fabric_id uuid NOT NULL REFERENCES fabric ON DELETE CASCADE,
  -- Highest epoch that was welcomed. Every write about a session is conditional on it.
  epoch bigint NOT NULL CHECK (epoch >= 0),
  session_id uuid NOT NULL,
  session_order bigint NOT NULL,
  boot_id text NOT NULL CHECK (length(boot_id) <= 100),
  state text NOT NULL CHECK (state IN ('connected', 'unreachable', 'disconnected')),
  -- Replica that holds the tunnel; empty while nobody does.
  replica text NOT NULL,
  connected_at timestamptz NOT NULL,
  -- Written with the database's clock, so that replicas need not agree on the time.
  last_seen_at timestamptz NOT NULL,
  observed_generation bigint NOT NULL,
  snapshot_digest text NOT NULL,
  trust_bundle_sequence bigint NOT NULL,
  clock_skew_ms bigint NOT NULL,
  cluster jsonb NOT NULL,
  alerts jsonb NOT NULL,
  certificate_serial text NOT NULL,
  certificate_not_after timestamptz NOT NULL
);
CREATE INDEX agent_fabric ON agent (fabric_id);
CREATE INDEX agent_last_seen ON agent (last_seen_at) WHERE state <> 'disconnected';
CREATE INDEX agent_replica ON agent (replica) WHERE replica <> '';

-- What the certificate authority said about certificates that were seen here, so that known agents come back while it is away.
CREATE TABLE certificate (
  serial_number text PRIMARY KEY CHECK (length(serial_number) <= 64),
  agent_id uuid,
  fabric_id uuid,
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX certificate_fabric ON certificate (fabric_id);
CREATE INDEX certificate_agent ON certificate (agent_id);
CREATE INDEX certificate_not_after ON certificate (not_after);

CREATE TABLE app (
  app_id uuid PRIMARY KEY,
  fabric_id uuid NOT NULL REFERENCES fabric ON DELETE CASCADE,
  org text NOT NULL,
  environment text NOT NULL,
  name text NOT NULL,
  generation bigint NOT NULL CHECK (generation >= 1),
  revision bigint NOT NULL CHECK (revision >= 1),
  version text NOT NULL,
  desired_state text NOT NULL CHECK (desired_state IN ('running', 'stopped')),
  replicas integer NOT NULL CHECK (replicas BETWEEN 0 AND 100),
  restart_nonce text NOT NULL,
  bundle jsonb NOT NULL,
  configuration jsonb,
  public_port integer NOT NULL CHECK (public_port BETWEEN 0 AND 65535),
  strategy jsonb NOT NULL,
  spec_digest text NOT NULL,
  traceparent text NOT NULL,
  manifest_json text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  -- A tombstone stays until the agent reports that the app is gone; the row goes with that report.
  deleted_at timestamptz,
  -- Request that deleted it. The prune token is minted only from tombstones that have one.
  delete_request_id text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX app_live_name ON app (org, environment, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX app_live_public_port ON app (fabric_id, public_port) WHERE deleted_at IS NULL AND public_port <> 0;
CREATE INDEX app_fabric ON app (fabric_id);
CREATE INDEX app_name ON app (org, environment, name, app_id);

CREATE TABLE revision (
  app_id uuid NOT NULL REFERENCES app ON DELETE CASCADE,
  revision bigint NOT NULL CHECK (revision >= 1),
  version text NOT NULL,
  bundle jsonb NOT NULL,
  configuration jsonb,
  manifest_json text NOT NULL,
  created_at timestamptz NOT NULL,
  requested_by text NOT NULL,
  cause text NOT NULL,
  PRIMARY KEY (app_id, revision)
);
-- Entitlement: is a digest part of anything that is, or could again be, deployed to a fabric?
CREATE INDEX revision_bundle_digest ON revision ((bundle ->> 'digest'));
CREATE INDEX revision_configuration_digest ON revision ((configuration ->> 'digest')) WHERE configuration IS NOT NULL;

CREATE TABLE app_status (
  app_id uuid PRIMARY KEY REFERENCES app ON DELETE CASCADE,
  fabric_id uuid NOT NULL,
  observed_generation bigint NOT NULL,
  phase text NOT NULL CHECK (phase IN ('pending', 'progressing', 'running', 'stopped', 'failed', 'degraded')),
  status jsonb NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX app_status_fabric ON app_status (fabric_id);

-- Answers by request_id: a repeated request gets the same answer, and two at once make one change.
CREATE TABLE request (
  request_id uuid PRIMARY KEY,
  method text NOT NULL,
  request_sha256 bytea NOT NULL,
  response bytea NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX request_created ON request (created_at);

-- Revocations owed to the certificate authority: written with the fact, done by a loop until it succeeds.
CREATE TABLE revocation_duty (
  duty_id uuid PRIMARY KEY,
  fabric_id uuid NOT NULL,
  -- One certificate; empty for all of the fabric's.
  serial_number text NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL
);

-- drawbridge:include outbox.v1
