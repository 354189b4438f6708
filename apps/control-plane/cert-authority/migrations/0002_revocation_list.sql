-- Which list the positions belong to; the lock on this row is the right to give out positions. A list gets a new id when the
-- database was restored to an earlier state: readers then read again from the beginning. One row.
CREATE TABLE revocation_list (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  list_id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO revocation_list DEFAULT VALUES;

-- A revocation says by itself what readers need: of a certificate that this database does not know (a fingerprint that was
-- reported, a revocation that a restored database takes back) it is all there is. Rows are never deleted; is_listed ends a
-- day after the certificate would have expired.
ALTER TABLE revocation
  DROP CONSTRAINT revocation_serial_number_fkey,
  DROP CONSTRAINT revocation_pkey;
ALTER TABLE revocation
  ALTER COLUMN serial_number DROP NOT NULL,
  ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME revocation_position),
  ADD COLUMN fingerprint_sha256 text,
  ADD COLUMN spiffe_id text NOT NULL DEFAULT '',
  ADD COLUMN fabric_id uuid,
  ADD COLUMN issuer_id uuid,
  ADD COLUMN not_after timestamptz NOT NULL DEFAULT now() + interval '31 days',
  ADD COLUMN is_listed boolean NOT NULL DEFAULT true,
  -- In the key-value bucket, from where a restored database takes it back.
  ADD COLUMN is_mirrored boolean NOT NULL DEFAULT false,
  -- What it is known by; the key in the bucket, too.
  ADD COLUMN key text NOT NULL GENERATED ALWAYS AS
    (CASE WHEN serial_number IS NULL THEN 'fp.' || fingerprint_sha256 ELSE 'serial.' || serial_number END) STORED,
  ADD CONSTRAINT revocation_pkey PRIMARY KEY (position),
  ADD CONSTRAINT revocation_serial_number UNIQUE (serial_number),
  ADD CONSTRAINT revocation_key UNIQUE (key);
UPDATE revocation
SET fingerprint_sha256 = encode(sha256(certificate.certificate_der), 'hex'),
  spiffe_id = certificate.spiffe_id,
  fabric_id = certificate.fabric_id,
  issuer_id = certificate.issuer_id,
  not_after = certificate.not_after
FROM certificate
WHERE certificate.serial_number = revocation.serial_number;
CREATE INDEX revocation_listed ON revocation (position) WHERE is_listed;
CREATE INDEX revocation_ending ON revocation (not_after) WHERE is_listed;
CREATE INDEX revocation_unmirrored ON revocation (position) WHERE NOT is_mirrored;
CREATE INDEX revocation_issuer ON revocation (issuer_id, not_after);

-- From its activation until the earlier certificates of the same name are revoked.
ALTER TABLE certificate ADD COLUMN is_superseding boolean NOT NULL DEFAULT false;
UPDATE certificate SET is_superseding = true WHERE activated_at IS NOT NULL AND fabric_id IS NOT NULL AND not_after > now();
CREATE INDEX certificate_superseding ON certificate (activated_at) WHERE is_superseding;
CREATE INDEX certificate_spiffe_id ON certificate (spiffe_id, position DESC);
CREATE INDEX certificate_fingerprint ON certificate (sha256(certificate_der));
