-- Fabrics that were deleted, for good: their ids are not used again. Whatever the order in which facts arrive, nothing is
-- created, redeemed or completed for them.
CREATE TABLE deleted_fabric (
  fabric_id uuid PRIMARY KEY,
  deleted_at timestamptz NOT NULL
);
INSERT INTO deleted_fabric (fabric_id, deleted_at)
  SELECT fabric_id, min(closed_at) FROM enrolment WHERE closed_reason = 'fabric_deleted' GROUP BY fabric_id;

-- Certificates of deleted fabrics that cert-authority still has to be asked to revoke.
CREATE TABLE revocation_duty (
  serial_number text PRIMARY KEY,
  fabric_id uuid NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX revocation_duty_of_fabric ON revocation_duty (fabric_id);
