-- A certificate that a collector has shown and that cert-authority has vouched for: with it the collector goes on while
-- cert-authority is away. Removed a day after it expired.
CREATE TABLE known_certificate (
  serial_number text PRIMARY KEY CHECK (serial_number ~ '^[0-9a-f]{1,40}$'),
  fabric_id uuid NOT NULL,
  not_after timestamptz NOT NULL,
  first_seen_at timestamptz NOT NULL,
  -- Set as soon as cert-authority has said so; never unset.
  revoked_at timestamptz,
  -- Set with its first check-in, by which it is counted.
  counted_at timestamptz
);
CREATE INDEX known_certificate_not_after ON known_certificate (not_after);

-- One fabric's collector as of its last check-in.
CREATE TABLE collector (
  fabric_id uuid PRIMARY KEY,
  certificate_serial text NOT NULL,
  certificate_not_after timestamptz NOT NULL,
  version text NOT NULL,
  boot_id uuid NOT NULL,
  last_seen_at timestamptz NOT NULL,
  -- Its clock minus ours.
  clock_skew_ms bigint NOT NULL,
  -- Different certificates, ever.
  certificates_seen integer NOT NULL CHECK (certificates_seen > 0)
);
CREATE INDEX collector_last_seen_at ON collector (last_seen_at);
