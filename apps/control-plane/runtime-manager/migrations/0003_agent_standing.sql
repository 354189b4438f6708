-- What an agent says it holds, how it stands, and what was announced about it.
ALTER TABLE agent
  -- Processes that another one has taken the place of, newest first: [{"bootId", "toldAt"}]; toldAt once it was refused.
  ADD COLUMN superseded_boots jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN lock_reason text NOT NULL DEFAULT '' CHECK (lock_reason IN ('', 'DUPLICATE_AGENT', 'STALE_JOIN_STATE')),
  ADD COLUMN lock_message text NOT NULL DEFAULT '' CHECK (length(lock_message) <= 500),
  ADD COLUMN locked_at timestamptz CHECK ((locked_at IS NULL) = (lock_reason = '')),
  -- Certificates that it holds, with their next renewal, as it says.
  ADD COLUMN certificates jsonb NOT NULL DEFAULT '[]',
  -- Its own alerts and ours, as they were announced last.
  ADD COLUMN shown_alerts jsonb NOT NULL DEFAULT '[]',
  -- When they have to be looked at again: at once after news, else when time alone changes them.
  ADD COLUMN alerts_due_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX agent_alerts_due ON agent (alerts_due_at);
CREATE INDEX agent_locked ON agent (replica) WHERE lock_reason <> '';

-- Why a certificate was revoked; empty if it was not, or if nobody said.
ALTER TABLE certificate ADD COLUMN revocation_reason text NOT NULL DEFAULT '';

-- The newest trust bundle that was heard of, and since when: who has not acknowledged it in time is behind.
CREATE TABLE trust_bundle (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  sequence bigint NOT NULL,
  known_since timestamptz NOT NULL DEFAULT now()
);
