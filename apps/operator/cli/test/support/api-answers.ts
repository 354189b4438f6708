import { alertAnswers } from "./alert-answers.ts";

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
  analytics: "off",
  analyticsTold: false,
  revision: 3,
  policies: 1,
  policiesInForce: 0,
  warnings: ["open: no policies are in force"],
  contracts: 2,
  apps: [{ fabricId: "f-1", appId: "app-1", appName: "orders-app", basePath: "/" }],
  updatedAt: at,
  updatedBy: "ann",
};

const analyticsSettings = {
  environment: "production",
  isOn: true,
  clientAddress: "hashed",
  userAgent: false,
  geography: "city",
  routeWords: [],
  warnings: ["no geography is told"],
  apisTold: 3,
  apisOff: 1,
  updatedAt: null,
  updatedBy: null,
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

const routes = {
  observed: true,
  routes: [{ method: "GET", path: "/orders/{p2}", firstSeen: at, lastSeen: at }],
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

const metricPoint = {
  at,
  cpuMillicores: 120,
  memoryUsedBytes: 1_048_576,
  memoryTotalBytes: 0,
  messages: 15,
  messagesPerMinute: 60,
  responseTimeMs: 12.5,
  errors: 1,
  countedSeconds: 15,
};
const series = { current: metricPoint, points: [metricPoint] };
const metrics = {
  askedAt: at,
  items: [
    {
      environment: "production",
      app: "orders",
      fabric: "edge",
      fabricId: "f-1",
      total: series,
      replicas: [{ replicaId: "r-1", series }],
    },
  ],
};

const figures = {
  from: at,
  to: "2026-01-03T00:00:00.000Z",
  timeZone: "UTC",
  bucket: "day",
  groupBy: ["api", "statusClass"],
  measures: ["requests"],
  buckets: [at, "2026-01-02T00:00:00.000Z"],
  rows: [{ bucket: at, group: { api: "orders", statusClass: "5xx" }, values: { requests: 12_345 } }],
  isCut: true,
  missingRequests: 7,
  source: "api_traffic_15m",
  keptSince: "2025-01-01T00:00:00.000Z",
};
export const aCapture = {
  captureId: "c-1",
  environment: "production",
  api: "orders",
  apiVersion: "v1",
  state: "running",
  startedAt: at,
  startedBy: "ada",
  endsAt: "2026-01-01T00:10:00.000Z",
  overAt: null,
  stoppedBy: null,
  samplePercent: 10,
  where: { methods: [], paths: [], statusClasses: ["5xx"], applications: [] },
  parts: ["request-body"],
  reveal: ["$.order.id"],
  redact: [],
  exchangesPerSecond: 10,
  limit: 100,
  taken: { exchanges: 1, bytes: 2_048, lastAt: at, losses: [{ reason: "rate", exchanges: 7 }], keptDays: 7 },
};
export const anExchangeLine = {
  type: "exchange",
  exchangeId: "e-1",
  fabricId: "f-1",
  at,
  storedAt: at,
  app: "orders",
  replica: "",
  application: "shop",
  method: "POST",
  path: "/orders/{id}",
  status: 503,
  violatedPolicy: "",
  latencyMs: 12.3,
  upstreamMs: 0,
  query: [],
  requestHeaders: [{ name: "x-region", value: "eu\u001b[2J", isRevealed: true }],
  requestBody: {
    bytes: 40,
    mediaType: "application/json",
    form: "json",
    json: '{"order":{"id":17}}',
    fields: [],
    revealed: [],
  },
  answerHeaders: [],
  answerBody: null,
};
export const aRequestLine = {
  type: "request",
  time: at,
  environment: "production",
  api: "orders",
  apiVersion: "v1",
  application: "shop",
  verb: "GET",
  resourcePath: "/orders/{id}",
  statusCode: 429,
  disposition: "policy_violation",
  violatedPolicy: "limit",
  latencyMs: 1.25,
  clientIp: "192.0.2.0",
  weight: 1,
};
const intake = {
  gateways: [
    {
      fabricId: "f-1",
      fabric: "edge",
      gateway: "gateway-0",
      lastBatchAt: at,
      requests: 1_000_000,
      missing: [{ requests: 500, from: at, to: "2026-01-01T01:00:00.000Z", reason: "spool_full" }],
    },
  ],
  waitingBatches: 3,
  deadLetters: 1,
  lagMs: 1_200,
  retentionDays: 90,
};
const deadLetter = {
  id: "12",
  fabricId: "f-1",
  gateway: "gateway-0",
  time: at,
  code: "ANALYTICS_BATCH_INVALID",
  message: "status is too short",
  bytes: 2_048,
  attempts: 3,
};

const ownMetric = { fabric: "edge", fabricId: "f-1", name: "jobs_total", kind: "counter", method: "GET" };
const ownMetrics = {
  items: [{ ...ownMetric, statusClass: "2xx", points: [{ at, value: 3, count: 0 }] }],
  askedAt: at,
};

/** What management-api answers about APIs. */
export const apiAnswers: readonly (readonly [RegExp, unknown])[] = [
  ...alertAnswers,
  [/^GET \/v1\/apis$/, page(api)],
  [/^GET \/v1\/captures$/, page(aCapture)],
  [/\/captures\/[^/]+\/exchanges$/, anExchangeLine],
  [/\/captures(\/[^/]+(\/stop)?)?$/, { ...aCapture, fabrics: [], warnings: ["ask the owner"] }],
  [/\/analytics\/settings$/, analyticsSettings],
  [/\/analytics\/requests$/, aRequestLine],
  [/\/analytics\/export$/, "time,api\n"],
  [/\/analytics\/intake$/, intake],
  [/^GET .*\/analytics\/dead-letters$/, page(deadLetter)],
  [/^POST .*\/analytics\/dead-letters\/replay$/, { replayed: 1 }],
  [/^DELETE .*\/analytics\/dead-letters$/, { deleted: 1 }],
  [/\/analytics$/, figures],
  [/^GET .*\/own-metrics$/, ownMetrics],
  [/^GET .*\/metrics$/, metrics],
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
  [/^DELETE .*\/tiers\//, { tierId: "t-1" }],
  [/^GET \/v1\/contracts$/, page(contract)],
  [/\/contracts(\/|$)/, contract],
  [/\/preview$/, preview],
  [/\/apis\/.*\/routes$/, routes],
  [/^GET .*\/openapi$/, { openapi: "openapi: 3.1.0\n" }],
  [/^DELETE .*\/apis\//, { apiId: "a-1" }],
  [/\/apis(\/|$)/, api],
];
