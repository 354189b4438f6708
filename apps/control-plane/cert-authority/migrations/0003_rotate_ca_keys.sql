-- Several roots and issuing CAs: each key is prepared, then issues, then is old (what is under it is accepted), then retired.
ALTER TABLE ca_key DROP CONSTRAINT ca_key_one_per_kind;
ALTER TABLE ca_key
  ADD COLUMN state text NOT NULL DEFAULT 'active' CHECK (state IN ('prepared', 'active', 'old', 'retired')),
  -- The CA that signed it; its own id for a root.
  ADD COLUMN issuer_id uuid REFERENCES ca_key (id),
  ADD COLUMN activated_at timestamptz,
  ADD COLUMN old_at timestamptz,
  ADD COLUMN retired_at timestamptz;
UPDATE ca_key SET
  issuer_id = (SELECT id FROM ca_key AS root WHERE root.kind = 'root'),
  activated_at = created_at;
ALTER TABLE ca_key
  ALTER COLUMN issuer_id SET NOT NULL,
  -- The private key of a retired CA is destroyed.
  ALTER COLUMN sealed_private_key DROP NOT NULL,
  ADD CONSTRAINT ca_key_private_unless_retired CHECK ((sealed_private_key IS NULL) = (state = 'retired'));
-- Of two processes that change keys at once the second fails here, should it ever pass the lock.
CREATE UNIQUE INDEX ca_key_one_active_issuing ON ca_key (issuer_id) WHERE kind = 'issuing' AND state = 'active';
CREATE UNIQUE INDEX ca_key_one_prepared_issuing ON ca_key (issuer_id) WHERE kind = 'issuing' AND state = 'prepared';
CREATE UNIQUE INDEX ca_key_one_prepared_root ON ca_key (kind) WHERE kind = 'root' AND state = 'prepared';

-- version grows with every change of keys, bundle or phase: replicas look at it to see that there is news.
ALTER TABLE trust_bundle ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- Where the replacement of the root stands. One row; none before the first rotation.
CREATE TABLE rotation (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  phase text NOT NULL CHECK (phase IN ('standby', 'init', 'update_clients', 'update_servers', 'rollback')),
  phase_since timestamptz NOT NULL,
  old_root_id uuid NOT NULL REFERENCES ca_key (id),
  new_root_id uuid NOT NULL REFERENCES ca_key (id),
  request_id uuid NOT NULL,
  requested_by text NOT NULL,
  reason text NOT NULL
);

-- Each change of the bundle, signed by a root of the bundle before. For ever: an agent may have been away for years.
CREATE TABLE trust_succession (
  sequence bigint PRIMARY KEY,
  signer_spki_sha256 text NOT NULL,
  root_spki_sha256 text[] NOT NULL,
  jws text NOT NULL
);

-- What the replicas of the services work with.
CREATE TABLE trust_acknowledgement (
  service text NOT NULL,
  replica text NOT NULL,
  trust_bundle_sequence bigint NOT NULL,
  certificate_serial text NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (service, replica)
);

-- Which certificates under a CA are unexpired: an old root stays in the bundle for them.
CREATE INDEX certificate_issuer ON certificate (issuer_id, not_after);
