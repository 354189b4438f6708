-- A bundle that is stored whole and was inspected. Its bytes are in the blob folder under the same digest.
CREATE TABLE bundle (
  digest text PRIMARY KEY CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  app_name text NOT NULL,
  version text NOT NULL,
  -- drawbridge.yaml as JSON, defaults filled in.
  manifest_json text NOT NULL,
  stored_at timestamptz NOT NULL
);

-- Keys of this service, each wrapped under the key encryption key named by kek_id.
CREATE TABLE service_key (
  name text PRIMARY KEY,
  kek_id text NOT NULL,
  wrapped_key bytea NOT NULL,
  created_at timestamptz NOT NULL
);

-- A configuration, under a digest that is keyed: it tells nothing of the values. Rows never change.
CREATE TABLE configuration (
  digest text PRIMARY KEY CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
  org text NOT NULL,
  -- The whole document, encrypted under a data key of its own.
  ciphertext bytea NOT NULL,
  -- The data key, wrapped under the key encryption key named by kek_id.
  wrapped_key bytea NOT NULL,
  kek_id text NOT NULL,
  -- Of the document in the clear.
  size_bytes integer NOT NULL CHECK (size_bytes > 0),
  created_at timestamptz NOT NULL
);

-- drawbridge:include outbox.v1
