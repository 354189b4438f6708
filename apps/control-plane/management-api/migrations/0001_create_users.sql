-- Who may use the control plane.
CREATE TABLE app_user (
  user_id       uuid PRIMARY KEY,
  username      text NOT NULL UNIQUE CHECK (username ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  password_hash text NOT NULL,
  created_at    timestamptz NOT NULL,
  created_by    text NOT NULL
);

CREATE TABLE environment (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  description text NOT NULL,
  created_at  timestamptz NOT NULL,
  created_by  text NOT NULL
);

-- Nearly everybody wants these two; further ones are made by administrators.
INSERT INTO environment (name, description, created_at, created_by) VALUES
  ('production', 'What customers use.', now(), 'installation'),
  ('sandbox', 'For trying things out.', now(), 'installation');

-- environment is a name or '*': therefore no foreign key; environments are never deleted.
CREATE TABLE role_binding (
  user_id     uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
  environment text NOT NULL,
  role        text NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
  PRIMARY KEY (user_id, environment)
);

-- Sessions and API tokens. Only SHA-256 of the secret is kept.
CREATE TABLE access_token (
  token_id      uuid PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('session', 'api')),
  user_id       uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
  request_id    uuid NOT NULL,
  description   text NOT NULL,
  secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
  created_at    timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL CHECK (expires_at > created_at),
  revoked_at    timestamptz,
  last_used_at  timestamptz,
  -- A retried request never makes a second token.
  UNIQUE (user_id, request_id)
);

-- Lists are by user, newest first (token ids are UUIDv7).
CREATE INDEX access_token_by_user ON access_token (user_id, token_id DESC) WHERE kind = 'api';
-- The sweeper removes what ended long ago.
CREATE INDEX access_token_by_expiry ON access_token (expires_at);
