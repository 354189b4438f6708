-- The join state of an agent is made of its sequence, this nonce and a key that is not in the database: what is here makes
-- none, and an answer that got lost can be repeated. Absent for agents that were activated before there was one.
ALTER TABLE enrolment ADD COLUMN join_nonce bytea CHECK (octet_length(join_nonce) = 16);

-- How the recovery of an agent stands; one row per enrolment.
CREATE TABLE recovery_state (
  agent_id uuid PRIMARY KEY REFERENCES enrolment,
  mode text NOT NULL DEFAULT 'standard' CHECK (mode IN ('standard', 'relaxed', 'manual')),
  -- The current join state: 0 if none was ever given, 1 at activation, one more with each recovery.
  join_sequence integer NOT NULL CHECK (join_sequence >= 0),
  join_nonce bytea CHECK (octet_length(join_nonce) = 16),
  -- One recovery outside the limits, until then.
  allowed_until timestamptz,
  allowed_by text,
  accepts_any_join_state boolean NOT NULL DEFAULT false,
  last_refusal text,
  last_refusal_at timestamptz,
  CHECK ((join_sequence = 0) = (join_nonce IS NULL)),
  CHECK ((allowed_until IS NULL) = (allowed_by IS NULL)),
  CHECK (allowed_until IS NOT NULL OR NOT accepts_any_join_state),
  CHECK ((last_refusal IS NULL) = (last_refusal_at IS NULL))
);
INSERT INTO recovery_state (agent_id, join_sequence) SELECT agent_id, 0 FROM enrolment;

-- One row per challenge that was answered rightly and admitted: a challenge makes at most one.
CREATE TABLE recovery (
  challenge_id uuid PRIMARY KEY,
  agent_id uuid NOT NULL REFERENCES enrolment,
  -- The join state that it gives.
  join_sequence integer NOT NULL CHECK (join_sequence > 0),
  join_nonce bytea NOT NULL CHECK (octet_length(join_nonce) = 16),
  -- Of what it was asked with: the same again is a lost answer, not a second copy.
  presented_join_state_sha256 bytea NOT NULL CHECK (octet_length(presented_join_state_sha256) = 32),
  agent_spki_sha256 text NOT NULL,
  collector_spki_sha256 text NOT NULL,
  allowed_by text,
  agent_version text NOT NULL,
  remote_address text NOT NULL,
  begun_at timestamptz NOT NULL,
  -- Set together, once, when cert-authority has answered.
  issued_at timestamptz,
  certificate_serial text,
  certificate_chain_der bytea[],
  certificate_not_after timestamptz,
  collector_certificate_serial text,
  collector_certificate_chain_der bytea[],
  collector_certificate_not_after timestamptz,
  UNIQUE (agent_id, join_sequence),
  CHECK (num_nulls(issued_at, certificate_serial, certificate_chain_der, certificate_not_after,
    collector_certificate_serial, collector_certificate_chain_der, collector_certificate_not_after) IN (0, 7))
);

-- Challenges that were answered rightly and refused; kept as long as a challenge lives.
CREATE TABLE spent_challenge (
  challenge_id uuid PRIMARY KEY,
  spent_at timestamptz NOT NULL
);
CREATE INDEX spent_challenge_by_age ON spent_challenge (spent_at);
