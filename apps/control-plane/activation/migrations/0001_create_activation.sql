-- Tokens: what is kept of them. The secret is not: only SHA-256 of the whole token.
CREATE TABLE activation_token (
  token_id uuid PRIMARY KEY,
  request_id uuid NOT NULL UNIQUE,
  token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
  fabric_id uuid NOT NULL,
  fabric_name text NOT NULL,
  org text NOT NULL,
  state text NOT NULL CHECK (state IN ('unused', 'redeemed', 'revoked')),
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  redeemed_at timestamptz,
  revoked_at timestamptz,
  refused_uses integer NOT NULL DEFAULT 0 CHECK (refused_uses >= 0),
  CHECK ((state = 'redeemed') = (redeemed_at IS NOT NULL)),
  CHECK ((state = 'revoked') = (revoked_at IS NOT NULL))
);
-- Lists of one fabric, newest first (UUIDv7 sorts by time); unused tokens of a deleted fabric.
CREATE INDEX activation_token_of_fabric ON activation_token (fabric_id, token_id);

-- One row per redeemed token, written in the transaction that consumed it.
CREATE TABLE enrolment (
  agent_id uuid PRIMARY KEY,
  token_id uuid NOT NULL UNIQUE REFERENCES activation_token,
  fabric_id uuid NOT NULL,
  agent_spki_sha256 text NOT NULL,
  collector_spki_sha256 text NOT NULL,
  recovery_key_spki_der bytea NOT NULL,
  agent_version text NOT NULL,
  remote_address text NOT NULL,
  enrolled_at timestamptz NOT NULL,
  -- Set together, once, when cert-authority has answered.
  issued_at timestamptz,
  certificate_serial text,
  certificate_chain_der bytea[],
  certificate_not_after timestamptz,
  collector_certificate_serial text,
  collector_certificate_chain_der bytea[],
  collector_certificate_not_after timestamptz,
  -- From then on the token's own key gets nothing more either.
  closed_at timestamptz,
  closed_reason text CHECK (closed_reason IN ('first_tunnel', 'fabric_deleted')),
  CHECK (num_nulls(issued_at, certificate_serial, certificate_chain_der, certificate_not_after,
    collector_certificate_serial, collector_certificate_chain_der, collector_certificate_not_after) IN (0, 7)),
  CHECK ((closed_at IS NULL) = (closed_reason IS NULL))
);
CREATE INDEX enrolment_of_fabric ON enrolment (fabric_id);

-- drawbridge:include outbox.v1
-- drawbridge:include inbox.v1
