-- Tokens whose agent somebody else than their maker has to approve, by its tunnel key.
ALTER TABLE activation_token
  ADD COLUMN requires_approval boolean NOT NULL DEFAULT false,
  ADD COLUMN approved_key_sha256 text,
  ADD COLUMN approved_by text,
  ADD COLUMN approved_at timestamptz,
  ADD CHECK (num_nulls(approved_key_sha256, approved_by, approved_at) IN (0, 3)),
  ADD CHECK (approved_by IS NULL OR (requires_approval AND approved_by <> created_by)),
  ADD CHECK (NOT requires_approval OR state <> 'redeemed' OR approved_by IS NOT NULL);

-- Agents that asked with such a token before it was approved. Few per token: whoever asks after them is refused.
CREATE TABLE activation_applicant (
  token_id uuid NOT NULL REFERENCES activation_token,
  key_sha256 text NOT NULL,
  remote_address text NOT NULL,
  agent_version text NOT NULL,
  first_asked_at timestamptz NOT NULL,
  last_asked_at timestamptz NOT NULL,
  PRIMARY KEY (token_id, key_sha256)
);
