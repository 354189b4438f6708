-- An allowance counts only if no operator revoked a certificate of the agent since.
ALTER TABLE recovery_state ADD COLUMN allowed_at timestamptz;
UPDATE recovery_state SET allowed_at = allowed_until - interval '1 day' WHERE allowed_until IS NOT NULL;
-- Two copies were seen, until an operator has looked: runtime-manager keeps no lock of an agent that it does not know.
ALTER TABLE recovery_state ADD COLUMN locked_at timestamptz;
