-- Which life of this record it is. Made once; a restore from backup must make a new one (see README), so that gateways take
-- a lower revision instead of ignoring what looks old to them.
CREATE TABLE incarnation (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  incarnation_id uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO incarnation DEFAULT VALUES;

-- Every change of an organisation counts up its edition first and so waits for the one before: changes come one after the
-- other, and none is lost. Trees and objects remember in which editions they were.
CREATE TABLE organisation (
  org text PRIMARY KEY CHECK (length(org) BETWEEN 1 AND 63),
  edition bigint NOT NULL
);

CREATE TABLE api (
  api_id uuid PRIMARY KEY,
  org text NOT NULL,
  environment text NOT NULL CHECK (length(environment) BETWEEN 1 AND 63),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  version text NOT NULL CHECK (length(version) BETWEEN 1 AND 64),
  description text NOT NULL,
  openapi text NOT NULL,
  auto_approve boolean NOT NULL,
  -- Of policies and tiers; in the document.
  revision bigint NOT NULL CHECK (revision >= 1),
  -- SHA-256 of the current ApiDocument; empty only within the transaction that makes the row.
  document_digest bytea NOT NULL,
  contract_count integer NOT NULL CHECK (contract_count >= 0),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL
);
CREATE UNIQUE INDEX api_key ON api (org, environment, name, version);

CREATE TABLE policy (
  policy_id uuid PRIMARY KEY,
  org text NOT NULL,
  environment text NOT NULL,
  -- Empty: automated, for every API of the environment.
  api_id uuid REFERENCES api ON DELETE CASCADE,
  type text NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
  position integer NOT NULL CHECK (position >= 1),
  enabled boolean NOT NULL,
  -- JSON, encrypted under the key encryption key named by kek_id: it may hold secrets of the operator.
  configuration bytea NOT NULL,
  kek_id text NOT NULL,
  conditions jsonb NOT NULL,
  -- SHA-256 of modules that it needs.
  assets bytea[] NOT NULL,
  version bigint NOT NULL CHECK (version >= 1),
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL
);
CREATE UNIQUE INDEX policy_of_api ON policy (api_id, name) WHERE api_id IS NOT NULL;
CREATE UNIQUE INDEX policy_automated ON policy (org, environment, name) WHERE api_id IS NULL;

-- What policies were; rows never change, and outlive policy and API.
CREATE TABLE policy_version (
  policy_id uuid NOT NULL,
  version bigint NOT NULL,
  org text NOT NULL,
  environment text NOT NULL,
  api_id uuid,
  type text NOT NULL,
  name text NOT NULL,
  position integer NOT NULL,
  enabled boolean NOT NULL,
  configuration bytea NOT NULL,
  kek_id text NOT NULL,
  conditions jsonb NOT NULL,
  assets bytea[] NOT NULL,
  action text NOT NULL CHECK (action IN ('created', 'changed', 'removed')),
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  PRIMARY KEY (policy_id, version)
);
CREATE INDEX policy_version_name ON policy_version (org, environment, name, updated_at);

-- Modules of custom policies.
CREATE TABLE asset (
  org text NOT NULL,
  digest bytea NOT NULL CHECK (length(digest) = 32),
  bytes bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org, digest)
);

CREATE TABLE client (
  client_id text PRIMARY KEY CHECK (client_id ~ '^[0-9a-f]{32}$'),
  org text NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  description text NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  revoked_at timestamptz
);
CREATE UNIQUE INDEX client_live_name ON client (org, name) WHERE revoked_at IS NULL;
CREATE INDEX client_name ON client (org, name, client_id);

CREATE TABLE client_secret (
  secret_id uuid PRIMARY KEY,
  client_id text NOT NULL REFERENCES client ON DELETE CASCADE,
  -- Of 256 random bits: one hash is enough.
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  created_at timestamptz NOT NULL,
  not_after timestamptz
);
CREATE INDEX client_secret_client ON client_secret (client_id);

CREATE TABLE tier (
  tier_id uuid PRIMARY KEY,
  api_id uuid NOT NULL REFERENCES api ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
  description text NOT NULL,
  -- [{"requests": "100", "periodMs": "60000"}]
  limits jsonb NOT NULL,
  -- Empty: as the API says.
  auto_approve boolean,
  UNIQUE (api_id, name)
);

CREATE TABLE contract (
  contract_id uuid PRIMARY KEY,
  org text NOT NULL,
  api_id uuid NOT NULL REFERENCES api ON DELETE CASCADE,
  client_id text NOT NULL REFERENCES client ON DELETE CASCADE,
  tier_id uuid REFERENCES tier,
  state text NOT NULL CHECK (state IN ('requested', 'approved', 'rejected', 'revoked')),
  -- The client id's hash with its bits reversed: every page of contracts is one range of it, however many pages there are.
  page_key bigint NOT NULL,
  requested_at timestamptz NOT NULL,
  requested_by text NOT NULL,
  decided_at timestamptz,
  decided_by text NOT NULL,
  reason text NOT NULL
);
CREATE UNIQUE INDEX contract_live ON contract (api_id, client_id) WHERE state IN ('requested', 'approved');
CREATE INDEX contract_page ON contract (api_id, page_key) WHERE state = 'approved';
CREATE INDEX contract_api ON contract (api_id, contract_id);
CREATE INDEX contract_client ON contract (client_id, contract_id);
CREATE INDEX contract_org ON contract (org, contract_id);
CREATE INDEX contract_tier ON contract (tier_id) WHERE state = 'approved';

-- What manifests of deployed apps declare, as runtime-manager said last.
CREATE TABLE binding (
  fabric_id uuid NOT NULL,
  place integer NOT NULL,
  org text NOT NULL,
  app_id uuid NOT NULL,
  app_name text NOT NULL,
  environment text NOT NULL,
  api_name text NOT NULL,
  api_version text NOT NULL,
  base_path text NOT NULL,
  -- [{"method": "GET", "path": "/orders/{id}"}]
  resources jsonb NOT NULL,
  -- As in contract, of the API's key.
  page_key bigint NOT NULL,
  PRIMARY KEY (fabric_id, place)
);
CREATE INDEX binding_page ON binding (fabric_id, page_key);
CREATE INDEX binding_api ON binding (org, environment, api_name, api_version);

-- The current tree of a fabric. The root is made from this row when it is asked for, always the same bytes.
CREATE TABLE fabric (
  fabric_id uuid PRIMARY KEY,
  org text NOT NULL,
  revision bigint NOT NULL CHECK (revision >= 1),
  edition bigint NOT NULL,
  issued_at timestamptz NOT NULL,
  index_pages bytea[] NOT NULL
);

-- Trees whose objects are still given out: the current one, the one before, and those of the last minutes.
CREATE TABLE tree (
  fabric_id uuid NOT NULL REFERENCES fabric ON DELETE CASCADE,
  revision bigint NOT NULL,
  edition bigint NOT NULL,
  superseded_at timestamptz,
  PRIMARY KEY (fabric_id, revision)
);

-- Index pages. In the trees of the editions from entered_edition up to, not including, left_edition.
CREATE TABLE fabric_object (
  fabric_id uuid NOT NULL REFERENCES fabric ON DELETE CASCADE,
  digest bytea NOT NULL CHECK (length(digest) = 32),
  bytes bytea NOT NULL,
  entered_edition bigint NOT NULL,
  left_edition bigint,
  PRIMARY KEY (fabric_id, digest)
);
CREATE INDEX fabric_object_left ON fabric_object (fabric_id) WHERE left_edition IS NOT NULL;

-- API instances of a fabric's trees, by the same rule.
CREATE TABLE fabric_api (
  fabric_id uuid NOT NULL REFERENCES fabric ON DELETE CASCADE,
  api_id uuid NOT NULL,
  entered_edition bigint NOT NULL,
  left_edition bigint,
  PRIMARY KEY (fabric_id, api_id)
);
CREATE INDEX fabric_api_api ON fabric_api (api_id);
CREATE INDEX fabric_api_left ON fabric_api (fabric_id) WHERE left_edition IS NOT NULL;

-- Documents (encrypted, for the secrets in them), pages of contracts, and which assets documents name (bytes in `asset`).
CREATE TABLE api_object (
  api_id uuid NOT NULL,
  digest bytea NOT NULL CHECK (length(digest) = 32),
  org text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('document', 'contracts', 'asset')),
  bytes bytea NOT NULL,
  kek_id text NOT NULL,
  entered_edition bigint NOT NULL,
  left_edition bigint,
  PRIMARY KEY (api_id, digest)
);
CREATE INDEX api_object_digest ON api_object (digest);
CREATE INDEX api_object_left ON api_object (api_id) WHERE left_edition IS NOT NULL;

-- Answers by request_id: a repeated request gets the same answer. Without one it told a secret.
CREATE TABLE request (
  org text NOT NULL,
  request_id uuid NOT NULL,
  method text NOT NULL,
  request_sha256 bytea NOT NULL,
  response bytea,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org, request_id)
);
CREATE INDEX request_created ON request (created_at);

-- drawbridge:include outbox.v1
-- drawbridge:include inbox.v1
