-- The roots that a party trusts change as a whole, and are numbered (SPIFFE spiffe_sequence). One row.
CREATE TABLE trust_bundle (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  trust_domain text NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0)
);

-- Private keys are sealed with the key encryption key; seal_key_id says with which one.
CREATE TABLE ca_key (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('root', 'issuing')),
  certificate_der bytea NOT NULL,
  sealed_private_key bytea NOT NULL,
  seal_key_id text NOT NULL,
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  -- Two bootstraps at once must not make two roots: the second one fails here should it ever pass the lock.
  CONSTRAINT ca_key_one_per_kind UNIQUE (kind)
);

-- Only inserted and activated; what a certificate says never changes. position orders by time of recording.
CREATE TABLE certificate (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  serial_number text NOT NULL CONSTRAINT certificate_serial_number UNIQUE,
  request_id uuid NOT NULL CONSTRAINT certificate_request_id UNIQUE,
  issuer_id uuid NOT NULL REFERENCES ca_key (id),
  spiffe_id text NOT NULL,
  fabric_id uuid,
  spki_sha256 text NOT NULL,
  certificate_der bytea NOT NULL,
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  issued_at timestamptz NOT NULL,
  activated_at timestamptz
);
CREATE INDEX certificate_fabric ON certificate (fabric_id, position DESC);

-- For ever: rows are never changed or deleted.
CREATE TABLE revocation (
  serial_number text PRIMARY KEY REFERENCES certificate (serial_number),
  revoked_at timestamptz NOT NULL,
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
  revoked_by text NOT NULL
);

-- RFC 5280 5.2.3: every list has a higher number than the one before, whichever replica makes it.
CREATE SEQUENCE crl_number;

-- drawbridge:include outbox.v1
-- drawbridge:include inbox.v1
