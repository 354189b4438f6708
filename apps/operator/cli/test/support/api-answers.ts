const at = "2026-01-01T00:00:00.000Z";
const page = (item: unknown) => ({ items: [item], nextPageToken: "" });

const api = {
  apiId: "a-1",
  environment: "production",
  name: "orders",
  version: "v1",
  description: "",
  autoApprove: false,
  hasOpenapi: true,
  revision: 3,
  policies: 1,
  contracts: 2,
  apps: [{ fabricId: "f-1", appId: "app-1", appName: "orders-app", basePath: "/" }],
  updatedAt: at,
  updatedBy: "ann",
};

const policy = {
  policyId: "p-1",
  environment: "production",
  api: "orders",
  apiVersion: "v1",
  type: "rate-limiting",
  name: "limit",
  order: 1,
  enabled: true,
  configuration: { limits: [] },
  conditions: [{ methods: "GET", uriTemplate: "/orders/{id}" }],
  version: 2,
  updatedAt: at,
  updatedBy: "ann",
};

const client = {
  clientId: "0a".repeat(16),
  name: "shop",
  description: "",
  secrets: [{ secretId: "s-1", createdAt: at, notAfter: null }],
  contracts: 1,
  createdAt: at,
  createdBy: "ann",
  revokedAt: null,
};

const tier = {
  tierId: "t-1",
  name: "gold",
  description: "",
  limits: [{ requests: 100, periodMs: 60_000 }],
  autoApprove: null,
  contracts: 1,
};

const contract = {
  contractId: "c-1",
  environment: "production",
  api: "orders",
  version: "v1",
  clientId: client.clientId,
  clientName: "shop",
  tier: "gold",
  state: "approved",
  requestedAt: at,
  requestedBy: "ann",
  decidedAt: at,
  decidedBy: "bob",
  reason: "",
};

const preview = {
  resources: [
    { method: "GET", path: "/orders/{id}", conditions: [{ condition: 0, example: "/orders/1", counterexample: "" }] },
    { method: "POST", path: "/orders", conditions: [] },
  ],
  idleConditions: [1],
  source: "openapi",
  warnings: ["something is worth a look"],
};

const type = {
  type: "rate-limiting",
  title: "Rate limiting",
  description: "Limits requests.",
  category: "quality_of_service",
  hasConditions: true,
  schema: { type: "object" },
};

/** What management-api answers about APIs. */
export const apiAnswers: readonly (readonly [RegExp, unknown])[] = [
  [/^GET \/v1\/apis$/, page(api)],
  [/^GET \/v1\/policy-types$/, page(type)],
  [/^GET .*\/policies$|^GET .*\/automated-policies$|^PUT .*policy-order$/, page(policy)],
  [/\/versions$/, page({ action: "changed", policy })],
  [/^GET .*\/(automated-)?policies\/[^/]+$/, policy],
  [/^PUT .*\/(automated-)?policies\/[^/]+$/, { policy, changed: true, warnings: ["condition 2 matches nothing"] }],
  [/^DELETE .*\/(automated-)?policies\/[^/]+$/, { policyId: "p-1" }],
  [/^GET \/v1\/clients$/, page(client)],
  [/^POST \/v1\/clients(\/[^/]+\/rotate)?$/, { client, clientSecret: "s3cret-once" }],
  [/^DELETE \/v1\/clients\//, { client: { ...client, revokedAt: at }, revokedContracts: 1 }],
  [/^GET \/v1\/clients\//, client],
  [/^GET .*\/tiers$/, page(tier)],
  [/^PUT .*\/tiers\//, tier],
  [/^GET \/v1\/contracts$/, page(contract)],
  [/\/contracts(\/|$)/, contract],
  [/\/preview$/, preview],
  [/^GET .*\/openapi$/, { openapi: "openapi: 3.1.0\n" }],
  [/^DELETE .*\/apis\//, { apiId: "a-1" }],
  [/\/apis(\/|$)/, api],
];
