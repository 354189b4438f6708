import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect } from "node:net";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import { createHealth } from "@drawbridge/lifecycle";
import { clientTlsOptions, IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { createHttpServer, createOpsServer, fieldDetail, httpContext, type HttpServerOptions } from "@drawbridge/rpc";
import { createTestCa, createTestLogger, sendThenRead, type TestCa } from "@drawbridge/testkit";
import { startTelemetry } from "@drawbridge/telemetry";
import { beforeAll, expect, onTestFinished, test } from "vitest";

const forever = new AbortController().signal;
const agent = {
  org: "acme",
  fabricId: "01890000-0000-7000-8000-000000000001",
  agentId: "01890000-0000-7000-8000-000000000002",
};

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

async function startServer(options: Partial<HttpServerOptions> = {}) {
  const log = createTestLogger();
  const server = createHttpServer({
    name: "bundles",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("config-resolver")),
    clientCertificate: "required",
    allow: [{ fabric: "agent" }],
    register: () => undefined,
    logger: log.logger,
    ...options,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  return { server, log, port: server.address().port };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

async function ask(
  port: number,
  path: string,
  options: RequestOptions & { readonly as: IdentitySnapshot; readonly body?: string },
): Promise<Answer> {
  const { as, body, ...rest } = options;
  const tls = clientTlsOptions(as, { expectedServer: "/cp/config-resolver", alpnProtocols: ["http/1.1"] });
  const request = httpsRequest({ host: "127.0.0.1", port, path, agent: false, ...tls, ...rest });
  request.end(body);
  const [response] = (await once(request, "response")) as [
    AsyncIterable<Buffer> & { statusCode: number; headers: Record<string, unknown> },
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

test("a route knows who asks", async () => {
  const { port } = await startServer({
    register: (app) => void app.get("/who", (request) => httpContext(request).peer?.identity),
  });
  const { status, body } = await ask(port, "/who", { as: await ca.issueAgent(agent) });
  expect(status).toBe(200);
  expect(JSON.parse(body)).toMatchObject({ kind: "agent", fabricId: agent.fabricId });
});

test("a caller that the server does not list gets 403 as problem+json", async () => {
  const { port } = await startServer({ register: (app) => void app.get("/who", () => "never") });
  const { status, headers, body } = await ask(port, "/who", { as: await ca.issueService("activation") });
  expect(status).toBe(403);
  expect(headers["content-type"]).toContain("application/problem+json");
  expect(JSON.parse(body)).toMatchObject({
    type: "urn:drawbridge:error:CALLER_NOT_ALLOWED",
    status: 403,
    code: "CALLER_NOT_ALLOWED",
  });
});

test("an error of ours keeps code, detail, field errors and retry delay; its cause stays here", async () => {
  const { port, log } = await startServer({
    register: (app) =>
      void app.get("/full", () => {
        throw new DrawbridgeError({
          kind: "resource_exhausted",
          code: "DISK_FULL",
          message: "no room",
          details: { [fieldDetail("name")]: "is taken", path: "/blobs" },
          retryAfterMs: 1_200,
          cause: new Error("ENOSPC at inode 7"),
        });
      }),
  });
  const { status, headers, body } = await ask(port, "/full", { as: await ca.issueAgent(agent) });
  expect(status).toBe(507);
  expect(headers["retry-after"]).toBe("2");
  expect(JSON.parse(body)).toEqual({
    type: "urn:drawbridge:error:DISK_FULL",
    title: "disk full",
    status: 507,
    code: "DISK_FULL",
    kind: "resource_exhausted",
    detail: "no room",
    errors: [{ field: "name", message: "is taken" }],
    details: { path: "/blobs" },
    retryAfterMs: 1_200,
  });
  expect(JSON.stringify(log.records)).toContain("inode 7");
});

test("a foreign error is 500 with generic text", async () => {
  const { port } = await startServer({
    register: (app) =>
      void app.get("/broken", () => {
        throw new TypeError("cannot read secret of undefined");
      }),
  });
  const { status, body } = await ask(port, "/broken", { as: await ca.issueAgent(agent) });
  expect(status).toBe(500);
  expect(JSON.parse(body)).toMatchObject({ code: "INTERNAL", detail: "internal error" });
  expect(body).not.toContain("secret");
});

test.each([
  {
    what: "a body above the limit",
    body: JSON.stringify({ name: "x".repeat(2_000) }),
    status: 413,
    code: "BODY_TOO_LARGE",
  },
  { what: "a body that is not JSON", body: "{", status: 400, code: "BODY_MALFORMED" },
  { what: "a body with a wrong field", body: JSON.stringify({ name: 7 }), status: 400, code: "REQUEST_INVALID" },
])("$what is $status $code", async ({ body, status, code }) => {
  const schema = {
    body: { type: "object", properties: { name: { type: "string", pattern: "^[a-z]+$" } }, required: ["name"] },
  };
  const { port } = await startServer({
    bodyLimitBytes: 1_000,
    register: (app) => void app.post("/items", { schema }, () => ({})),
  });
  const answer = await ask(port, "/items", {
    as: await ca.issueAgent(agent),
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toMatchObject({ code });
  if (code === "REQUEST_INVALID") expect(JSON.parse(answer.body)).toMatchObject({ errors: [{ field: "name" }] });
});

test.each([
  ["from a caller that is not let in", [{ fabric: "collector" }], "connection: close\r\n", /^HTTP\/1.1 403 /],
  ["with a body above the limit", [{ fabric: "agent" }], "", /^HTTP\/1.1 413 /],
] as const)("who reads nothing before all is sent still gets the answer to a request %s", async (...given) => {
  const [, allow, header, status] = given;
  let served = 0;
  const register: HttpServerOptions["register"] = (app) =>
    void app.post("/items", () => (served += 1)).get("/items", () => (served += 1));
  const { port } = await startServer({ allow, register });
  const expected = { expectedServer: "/cp/config-resolver", alpnProtocols: ["http/1.1"] };
  const socket = connectTls({ host: "127.0.0.1", port, ...clientTlsOptions(await ca.issueAgent(agent), expected) });
  const head = `POST /items HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n${header}`;
  const said = await sendThenRead(socket, head, "GET /items HTTP/1.1\r\nhost: a\r\n\r\n");
  expect(said).toMatch(status);
  expect([said.match(/^HTTP/gm)?.length, served]).toEqual([1, 0]); // what comes behind the last is not served
});

test("an address without a route is 404 as problem+json", async () => {
  const { port } = await startServer();
  const { status, body } = await ask(port, "/nothing", { as: await ca.issueAgent(agent) });
  expect(status).toBe(404);
  expect(JSON.parse(body)).toMatchObject({ code: "ROUTE_NOT_FOUND" });
});

test("one record per request, with the id that the caller got", async () => {
  const { port, log } = await startServer({ register: (app) => void app.get("/items/:id", () => ({})) });
  const { headers } = await ask(port, "/items/7", { as: await ca.issueAgent(agent) });
  const records = log.withMessage("request");
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({
    method: "GET /items/:id",
    status: 200,
    outcome: "ok",
    request_id: headers["x-request-id"],
  });
});

test("who sends headers slowly is cut off", async () => {
  const { server } = await startServer({
    identity: undefined,
    clientCertificate: "none",
    allow: ["anyone"],
    requestTimeoutMs: 200,
  });
  const socket = connect(server.address().port, "127.0.0.1");
  socket.write("GET / HT");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toContain("408");
  await once(socket, "close");
});

test("stopping answers the request in flight and closes the connection", async () => {
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const { port, server } = await startServer({
    register: (app) =>
      void app.get("/slow", async () => {
        entered.resolve();
        await release.promise;
        return { done: true };
      }),
  });
  const answer = ask(port, "/slow", { as: await ca.issueAgent(agent) });
  await entered.promise;
  const stopped = server.stop(AbortSignal.timeout(5_000));
  release.resolve();
  expect((await answer).body).toBe('{"done":true}');
  await stopped;
  expect([...server.connections()]).toEqual([]);
});

test("stopping cuts the request in flight at the deadline", async () => {
  const entered = Promise.withResolvers<void>();
  const { port, server } = await startServer({
    register: (app) =>
      void app.get("/stuck", async () => {
        entered.resolve();
        await new Promise(() => undefined);
      }),
  });
  const cut = expect(ask(port, "/stuck", { as: await ca.issueAgent(agent) })).rejects.toMatchObject({
    code: "ECONNRESET",
  });
  await entered.promise;
  await server.stop(AbortSignal.timeout(50));
  await cut;
});

test("/readyz names what is missing, /livez answers all the same, /metrics is Prometheus text", async () => {
  const health = createHealth();
  const ops = createOpsServer({
    listen: { host: "127.0.0.1", port: 0 },
    health,
    telemetry: startTelemetry({ service: "test", replica: "test-0", logger: createTestLogger().logger }),
    logger: createTestLogger().logger,
  });
  await ops.start(forever);
  onTestFinished(() => ops.stop(AbortSignal.abort()));
  const base = `http://127.0.0.1:${ops.address().port}`;
  health.register("database", () => "not connected");
  const ready = await fetch(`${base}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toEqual({ ready: false, checks: { database: "not connected" } });
  expect((await fetch(`${base}/livez`)).status).toBe(200);
  expect(await (await fetch(`${base}/metrics`)).text()).toContain('drawbridge_test_health_check{check="database"} 0');
  health.register("database", () => undefined);
  health.register("bus", () => "away", "degraded");
  const degraded = await fetch(`${base}/readyz`);
  expect(degraded.status).toBe(200);
  expect(await degraded.json()).toEqual({ ready: true, checks: { database: "ok", bus: "away" }, degraded: ["bus"] });
  expect(await (await fetch(`${base}/metrics`)).text()).toContain('drawbridge_test_health_check{check="bus"} 0');
});
