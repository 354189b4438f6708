import { IdentityHolder, trustBundleToJson } from "@drawbridge/pki";
import { DrawbridgeError } from "@drawbridge/errors";
import { createHttpServer } from "@drawbridge/rpc";
import { createTestCa, createTestLogger } from "@drawbridge/testkit";

/** What management-api answers, as far as the CLI reads it; for faults that the real one cannot be made to show. */
export interface StandInApi extends AsyncDisposable {
  readonly url: string;
  /** trust-bundle.json */
  readonly trustBundle: string;
  /** Every request, as "POST /v1/users". */
  readonly requests: { readonly line: string; readonly body: unknown }[];
  /** Thrown by every route while it is set. */
  failWith: DrawbridgeError | undefined;
  /** Thrown by the next upload. */
  failNextUpload: DrawbridgeError | undefined;
  /** Thrown by every deploy while it is set. */
  failDeployWith: DrawbridgeError | undefined;
  /** Phase of the app's status. */
  phase: "running" | "failed";
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
        self.requests.push({ line, body: request.body });
        if (self.failWith) throw self.failWith;
        if (self.failDeployWith && /^PUT .*\/apps\/[^/]+$/.test(line)) throw self.failDeployWith;
        if (request.method === "HEAD") return reply.code(404).header("upload-offset", "0").send();
        if (request.method === "PATCH") return upload(request.headers["upload-length"], reply);
        const answer = answers(self.phase).find(([pattern]) => pattern.test(line));
        if (!answer) throw new DrawbridgeError({ kind: "not_found", code: "ROUTE_NOT_FOUND", message: line });
        if (answer[1] === undefined) return reply.code(204).send();
        if (path.endsWith("/logs")) return reply.type("application/x-ndjson").send(`${JSON.stringify(answer[1])}\n`);
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
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.timeout(5_000)),
  };
  return self;
}

function answers(phase: "running" | "failed"): readonly (readonly [RegExp, unknown])[] {
  const token = { tokenId: "t-1", fabricId: "f-1", fabric: "edge", expiresAt: at };
  const user = { username: "ann", bindings: [{ role: "viewer", environment: "*" }], createdAt: at };
  return [
    [/^POST \/v1\/sessions$/, { token: "dbt1.x.y", expiresAt: "2126-01-01T00:00:00.000Z", username: "admin" }],
    [/^DELETE \/v1\/sessions\/current$/, undefined],
    [/^GET \/v1\/whoami$/, user],
    [/^GET \/v1\/openapi\.json$/, {}],
    [/^GET \/v1\/status$/, { services: [{ service: "management-api", ready: true }] }],
    [/^GET \/v1\/users$/, page(user)],
    [/^POST \/v1\/users$|^PUT .*\/roles$/, user],
    [/^PUT .*\/password$|^DELETE \/v1\/users\/|^DELETE \/v1\/api-tokens\//, undefined],
    [/^GET \/v1\/api-tokens$/, page({ tokenId: "t-1", description: "ci", username: "ann", expiresAt: at })],
    [/^POST \/v1\/api-tokens$/, { tokenId: "t-1", token: "dbt1.a.b", expiresAt: at }],
    [/^GET \/v1\/environments$/, page({ name: "production", createdAt: at })],
    [/^POST \/v1\/environments$/, { name: "test", createdAt: at }],
    [/^GET \/v1\/fabrics$/, page(fabric)],
    [/^GET \/v1\/fabrics\//, fabric],
    [/^DELETE \/v1\/fabrics\//, { fabricId: "f-1" }],
    [/^POST \/v1\/fabric-tokens$/, { ...token, token: "fat1.x.y", created: true, environments: ["production"] }],
    [/^GET \/v1\/fabric-tokens$/, page({ ...token, state: "unused", createdAt: at, createdBy: "ann", refusedUses: 0 })],
    [/^DELETE \/v1\/fabric-tokens\//, { ...token, state: "revoked", createdAt: at, createdBy: "ann", refusedUses: 0 }],
    [/^GET \/v1\/apps$/, page(anApp(phase))],
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
  certificateSerial: "",
  tunnelReplica: "",
  appCount: 1,
  createdAt: at,
};

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
      observedAt: at,
    },
  };
}
