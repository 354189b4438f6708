-- What an API says of its environment's analytics: it can only take away from them.
ALTER TABLE api ADD COLUMN analytics text NOT NULL DEFAULT 'inherit' CHECK (analytics IN ('inherit', 'off'));

-- How much of the requests of an environment's APIs is told; no row: the default, which the service knows.
CREATE TABLE analytics_setting (
  org text NOT NULL CHECK (length(org) BETWEEN 1 AND 63),
  environment text NOT NULL CHECK (length(environment) BETWEEN 1 AND 63),
  is_on boolean NOT NULL,
  client_address text NOT NULL CHECK (client_address IN ('none', 'hashed', 'truncated', 'full')),
  user_agent boolean NOT NULL,
  geography text NOT NULL CHECK (geography IN ('none', 'country', 'city')),
  route_words text[] NOT NULL CHECK (cardinality(route_words) <= 200),
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  PRIMARY KEY (org, environment)
);

-- An upgrade begins to tell nothing: where there are APIs already, analytics are off until somebody turns them on.
INSERT INTO analytics_setting
SELECT DISTINCT org, environment, false, 'truncated', true, 'city', '{}'::text[], now(), 'upgrade' FROM api;
