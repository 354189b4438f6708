import { IdentityHolder, trustBundleToJson } from "@drawbridge/pki";
import { DrawbridgeError } from "@drawbridge/errors";
import { createHttpServer } from "@drawbridge/rpc";
import { createTestCa, createTestLogger } from "@drawbridge/testkit";
import { apiAnswers } from "./api-answers.ts";

/** What management-api answers, as far as the CLI reads it; for faults that the real one cannot be made to show. */
export interface StandInApi extends AsyncDisposable {
  readonly url: string;
  /** trust-bundle.json */
  readonly trustBundle: string;
  /** Every request, as "POST /v1/users". */
  readonly requests: { readonly line: string; readonly body: unknown; readonly query: unknown }[];
  /** Thrown by every route while it is set. */
  failWith: DrawbridgeError | undefined;
  /** Thrown by the next upload. */
  failNextUpload: DrawbridgeError | undefined;
  /** Thrown by every deploy while it is set. */
  failDeployWith: DrawbridgeError | undefined;
  /** Phase of the app's status. */
  phase: "running" | "failed";
  /** Answers of GET /v1/ca, one after the other; the last one stays. */
  readonly authorities: unknown[];
  /** What GET /v1/fabrics/{fabric} has besides the usual. */
  fabricParts: object;
  /** Answered to GET /v1/fabrics/{fabric}/recovery and what changes it, besides the usual. */
  recoveryParts: object;
  /** Answers of a test's own, by "GET /v1/users". A stream is sent as it comes. */
  readonly scripted: Map<string, () => unknown>;
  /** What GET /v1/status says of services. */
  services: readonly object[];
  /** trust-bundle.json as it is by now, and its sequence. */
  newTrustBundle: { readonly text: string; readonly sequence: number } | undefined;
}

const at = "2026-01-01T00:00:00.000Z";
const digest = `sha256:${"a".repeat(64)}`;

export async function startStandInApi(): Promise<StandInApi> {
  const ca = await createTestCa();
  const server = createHttpServer({
    name: "stand-in",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("management-api")),
    clientCertificate: "none",
    allow: ["anyone"],
    logger: createTestLogger().logger,
    register: (app) => {
      app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_request, body, done) =>
        done(null, body),
      );
      app.all("/*", { exposeHeadRoute: false }, async (request, reply) => {
        const path = request.url.split("?")[0] ?? "";
        const line = `${request.method} ${path}`;
        self.requests.push({ line, body: request.body, query: request.query });
        if (self.newTrustBundle) {
          reply.header("drawbridge-trust-bundle-sequence", String(self.newTrustBundle.sequence));
          if (path === "/v1/trust-bundle") return reply.type("application/json").send(self.newTrustBundle.text);
        }
        if (self.failWith) throw self.failWith;
        const scripted = self.scripted.get(line);
        if (scripted) return reply.send(scripted());
        if (self.failDeployWith && /^PUT .*\/apps\/[^/]+$/.test(line)) throw self.failDeployWith;
        if (request.method === "HEAD") return reply.code(404).header("upload-offset", "0").send();
        if (request.method === "PATCH" && path.startsWith("/v1/bundles"))
          return upload(request.headers["upload-length"], reply);
        if (line === "GET /v1/ca") return self.authorities.length > 1 ? self.authorities.shift() : self.authorities[0];
        const answer = answers(self).find(([pattern]) => pattern.test(line));
        if (!answer) throw new DrawbridgeError({ kind: "not_found", code: "ROUTE_NOT_FOUND", message: line });
        if (answer[1] === undefined) return reply.code(204).send();
        if (path.endsWith("/logs") || path.endsWith("/analytics/requests") || path.endsWith("/exchanges"))
          return reply.type("application/x-ndjson").send(`${JSON.stringify(answer[1])}\n`);
        return answer[1];
      });
    },
  });

  function upload<T>(
    length: unknown,
    reply: { code(status: 201): { header(name: string, value: string): { send(): T } } },
  ): T {
    const error = self.failNextUpload;
    self.failNextUpload = undefined;
    if (error) throw error;
    return reply.code(201).header("upload-offset", String(length)).send();
  }

  await server.start(new AbortController().signal);
  const self: StandInApi = {
    url: `https://127.0.0.1:${server.address().port}`,
    trustBundle: trustBundleToJson(ca.trustBundle),
    requests: [],
    failWith: undefined,
    failNextUpload: undefined,
    failDeployWith: undefined,
    phase: "running",
    authorities: [anAuthority()],
    fabricParts: {},
    recoveryParts: {},
    scripted: new Map(),
    services: [{ service: "management-api", ready: true }],
    newTrustBundle: undefined,
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.timeout(5_000)),
  };
  return self;
}

function answers(
  self: Pick<StandInApi, "phase" | "fabricParts" | "recoveryParts" | "services">,
): readonly (readonly [RegExp, unknown])[] {
  const { phase } = self;
  const token = { tokenId: "t-1", fabricId: "f-1", fabric: "edge", expiresAt: at };
  const waiting = {
    ...token,
    state: "unused",
    createdAt: at,
    createdBy: "ann",
    refusedUses: 0,
    requiresApproval: true,
    applicants: [
      {
        keySha256: "ab".repeat(32),
        address: "192.0.2.7",
        agentVersion: "0.1.0",
        firstAskedAt: at,
        lastAskedAt: at,
      },
    ],
  };
  const user = { username: "ann", bindings: [{ role: "viewer", environment: "*" }], createdAt: at };
  return [
    ...apiAnswers,
    [/^POST \/v1\/sessions$/, { token: "dbt1.x.y", expiresAt: "2126-01-01T00:00:00.000Z", username: "admin" }],
    [/^DELETE \/v1\/sessions\/current$/, undefined],
    [/^GET \/v1\/whoami$/, user],
    [/^GET \/v1\/openapi\.json$/, {}],
    [/^GET \/v1\/status$/, { services: self.services }],
    [/^GET \/v1\/users$/, page(user)],
    [/^POST \/v1\/users$|^PUT .*\/roles$/, user],
    [/^PUT .*\/password$|^DELETE \/v1\/users\/|^DELETE \/v1\/api-tokens\//, undefined],
    [/^GET \/v1\/api-tokens$/, page({ tokenId: "t-1", description: "ci", username: "ann", expiresAt: at })],
    [/^POST \/v1\/api-tokens$/, { tokenId: "t-1", token: "dbt1.a.b", expiresAt: at }],
    [/^GET \/v1\/environments$/, page({ name: "production", createdAt: at })],
    [/^POST \/v1\/environments$/, { name: "test", createdAt: at }],
    [
      /^GET \/v1\/gatekeeper-levels$/,
      {
        items: [
          { kind: "environment", name: "production", level: "strict" },
          { kind: "fabric", name: "edge", level: "flexible" },
        ],
      },
    ],
    [/^GET \/v1\/fabrics$/, page(fabric)],
    [/^POST .*\/recovery\/token$/, { ...token, token: "fat1.x.y", revoked: ["0a", "0b"] }],
    [/\/recovery(\/allow|\/mode)?$/, { ...aRecovery, ...self.recoveryParts }],
    [/^GET \/v1\/fabrics\//, { ...fabric, ...fabricParts, ...self.fabricParts }],
    [/^GET \/v1\/certificates$/, page(aCertificate)],
    [/^GET \/v1\/certificates\//, aCertificate],
    [/^POST \/v1\/certificates\/revoke$/, { revoked: ["0a"], certificate: { ...aCertificate, state: "revoked" } }],
    [/^POST \/v1\/ca\/rotation\/advance$/, { authority: anAuthority({ phase: "update_clients" }), stranded: [] }],
    [/^POST \/v1\/ca\/rotation\/rollback$/, anAuthority({ phase: "rollback" })],
    [/^POST \/v1\/ca\/rotation$/, anAuthority({ phase: "init", nextPhaseAt: at })],
    [/^PATCH \/v1\/fabrics\//, fabric],
    [/^DELETE \/v1\/fabrics\//, { fabricId: "f-1" }],
    [/^POST \/v1\/fabric-tokens$/, { ...token, token: "fat1.x.y", created: true, environments: ["production"] }],
    [/^GET \/v1\/fabric-tokens$/, page({ ...token, state: "unused", createdAt: at, createdBy: "ann", refusedUses: 0 })],
    [/^GET \/v1\/fabric-tokens\//, waiting],
    [
      /^POST \/v1\/fabric-tokens\/.*\/approve$/,
      { ...waiting, approvedBy: "bob", approvedAt: at, approvedKeySha256: waiting.applicants[0]?.keySha256 },
    ],
    [/^DELETE \/v1\/fabric-tokens\//, { ...token, state: "revoked", createdAt: at, createdBy: "ann", refusedUses: 0 }],
    [/^GET \/v1\/apps$/, page(anApp(phase))],
    [/^PUT .*\/gatekeeper$/, { kind: "environment", name: "test", level: "strict" }],
    [/^GET \/v1\/gates$/, page({ ...aGate, app: "orders", environment: "production", statusCurrent: true })],
    [/\/logs$/, { type: "line", replicaId: "r-1", stream: "stdout", line: "hello", at }],
    [
      /\/revisions$/,
      page({
        revision: 1,
        version: "1.0.0",
        bundleDigest: digest,
        createdAt: at,
        requestedBy: "ann",
        cause: "deploy",
        current: true,
        servedAt: at,
      }),
    ],
    [/\/apps\/[^/]+/, anApp(phase)],
    [
      /^GET \/v1\/audit$/,
      { items: [{ seq: 1, at, actor: "ann", action: "app.deploy", target: "x", result: "success" }] },
    ],
  ];
}

const page = (item: unknown) => ({ items: [item], nextPageToken: "" });

const fabric = {
  fabricId: "f-1",
  name: "edge",
  region: "",
  environments: ["production"],
  state: "connected",
  cluster: null,
  alerts: [],
  agentId: "",
  desiredGeneration: 1,
  observedGeneration: 1,
  clockSkewMs: 0,
  clockLimits: { warnSeconds: 60, failSeconds: 300 },
  certificateSerial: "",
  tunnelReplica: "",
  appCount: 1,
  createdAt: at,
};

const serial = "4".repeat(40);

export const fabricParts = {
  certificates: [
    { purpose: "tunnel", serialNumber: serial, state: "active", notAfter: at, renewAt: at, lastFailure: "" },
    { purpose: "monitoring", serialNumber: serial, state: "issued", notAfter: at, renewAt: null, lastFailure: "X" },
  ],
  trustBundle: { state: "current", acknowledgedSequence: 2, currentSequence: 2 },
  clock: "ok",
  lock: null,
  collector: {
    lastSeenAt: at,
    certificateSerial: serial,
    certificateNotAfter: at,
    version: "0.1.0",
    clockSkewMs: 0,
    certificatesSeen: 3,
  },
  recovery: {
    mode: "standard",
    recentRecoveries: 1,
    lastRecoveryAt: at,
    allowedUntil: null,
    lastRefusal: "",
    joinSequence: 2,
  },
  unknown: [],
};

const aRecovery = {
  fabricId: "f-1",
  fabric: "edge",
  agentId: "a-1",
  state: "connected",
  lastSeenAt: at,
  certificateNotAfter: at,
  lock: null,
  recovery: fabricParts.recovery,
};

export const aCertificate = {
  serialNumber: serial,
  subject: "agent of edge-berlin",
  kind: "agent",
  spiffeId: "spiffe://drawbridge.local/org/default/fabric/f/agent/a",
  fabric: "edge-berlin",
  state: "active",
  issuedAt: at,
  activatedAt: at,
  notBefore: at,
  notAfter: at,
  renewAt: at,
  lastRenewalFailure: "",
  revokedAt: null,
  revocationReason: "",
  fingerprintSha256: `sha256:${"f".repeat(64)}`,
  issuerId: "i",
};

/** The authority in standby, unless it is said otherwise. */
export function anAuthority(parts: object = {}) {
  const key = { serialNumber: serial, notAfter: at, liveCertificates: 12_345 };
  return {
    phase: "standby",
    phaseSince: at,
    nextPhaseAt: null,
    trustBundleSequence: 2,
    roots: 1,
    keys: [
      { ...key, id: "i", kind: "issuing", state: "prepared" },
      { ...key, id: "r", kind: "root", state: "active" },
    ],
    issuingPrepareAt: at,
    issuingActivateAt: at,
    followers: [],
    waitingFor: 0,
    alerts: [],
    ...parts,
  };
}

export function aFollower(name: string, parts: object = {}) {
  return { kind: "agent", name, missing: ["trust-bundle", "certificate"], lastSeenAt: at, live: true, ...parts };
}

function anApp(phase: "running" | "failed") {
  const failed = { type: "Failed", status: "True", reason: "CrashLoop", message: "exit 1; revision 1 goes on serving" };
  return {
    name: "orders",
    environment: "production",
    fabric: "edge",
    fabricId: "f-1",
    appId: "a-1",
    version: "1.0.0",
    revision: 2,
    generation: 2,
    desiredState: "running",
    replicas: 1,
    publicPort: 0,
    routes: [],
    bundleDigest: digest,
    deleting: false,
    createdAt: at,
    updatedAt: at,
    statusCurrent: true,
    status: {
      phase,
      observedGeneration: 2,
      servingRevision: phase === "running" ? 2 : 1,
      readyReplicas: 1,
      appliedCurrent: phase === "running",
      replicas: [],
      conditions: phase === "failed" ? [failed] : [],
      endpoints: ["http://127.0.0.1:18000"],
      gates: [aGate],
      observedAt: at,
    },
  };
}

const aGate = {
  gatewayId: "gateway-0",
  apiName: "orders",
  apiVersion: "v1",
  basePath: "/api",
  deployment: digest,
  state: "policy_error",
  blocked: true,
  since: at,
  level: "strict",
  levelSource: "environment",
  reason: "POLICY_INVALID",
  message: 'the policy "limits" cannot be applied: period is missing',
  appliedRevision: 3,
  desiredRevision: 4,
  policies: 2,
  contracts: 1,
};
