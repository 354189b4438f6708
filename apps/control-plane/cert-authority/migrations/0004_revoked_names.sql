-- A certificate whose issue began before its name was revoked is not recorded: one look per group of certificates. Those
-- that were superseded, the most, are no decision against a name.
CREATE INDEX revocation_name ON revocation (spiffe_id, revoked_at) WHERE reason <> 'superseded';
