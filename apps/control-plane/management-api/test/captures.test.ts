import { CaptureServiceService, CaptureState, type CaptureRecord } from "@drawbridge/contracts/apis/v1/capture_service";
import { BodyForm, CapturedExchange } from "@drawbridge/contracts/insight/v1/insight_batch";
import { InsightServiceService, type ListExchangesRequest } from "@drawbridge/contracts/insight/v1/insight_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { freePort } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApi, type TestApi } from "./support/start-api.ts";

const captureId = "0198c0de-0000-7000-8000-0000000000c1";
const fabricId = "0198c0de-0000-7000-8000-00000000000a";
const orders = "/v1/environments/production/apis/orders/versions/v1/captures";
const path = `/v1/environments/production/captures/${captureId}`;
/** What a user wrote into a request, and was revealed. */
const canary = "canary-4711";
const managementApi = [{ service: "management-api" }] as const;

let world: TestApi;
let operator: string;
let viewer: string;
let asked: ListExchangesRequest | undefined;
/** What api-manager keeps, as the test has it. */
let record: CaptureRecord | undefined;
const cleanups: (() => PromiseLike<unknown>)[] = [];

const captures = defineGrpcService(CaptureServiceService, {
  allow: {
    startCapture: managementApi,
    stopCapture: managementApi,
    getCapture: managementApi,
    listCaptures: managementApi,
  },
  handlers: {
    startCapture: async ({ api, capture, durationSeconds, requestedBy }) => {
      const startsAt = new Date("2026-11-22T10:00:00Z");
      if (!capture || !api)
        throw new DrawbridgeError({ kind: "invalid_argument", code: "CAPTURE_INVALID", message: "" });
      record = {
        capture: { ...capture, captureId, startsAt, expiresAt: new Date(startsAt.getTime() + durationSeconds * 1_000) },
        api,
        apiId: "",
        state: CaptureState.CAPTURE_STATE_RUNNING,
        startedBy: requestedBy,
        overAt: undefined,
        stoppedBy: "",
      };
      return { capture: record, fabricIds: [fabricId], warnings: ["$.card stays masked"] };
    },
    stopCapture: async ({ requestedBy }) => {
      if (record)
        record = { ...record, state: CaptureState.CAPTURE_STATE_STOPPED, overAt: new Date(0), stoppedBy: requestedBy };
      return { capture: record };
    },
    getCapture: async (request) => {
      if (record?.capture?.captureId === request.captureId) return { capture: record };
      throw new DrawbridgeError({ kind: "not_found", code: "CAPTURE_NOT_FOUND", message: "there is none" });
    },
    listCaptures: async ({ environments }) => ({
      captures: record && environments.includes("production") ? [record] : [],
      nextPageToken: "",
    }),
  },
});

const exchange = CapturedExchange.fromPartial({
  exchangeId: "e-1",
  captureId,
  method: "POST",
  pathTemplate: "/orders/{id}",
  status: 503,
  latencyUs: 12_500n,
  receivedAtMs: BigInt(Date.parse("2026-11-22T10:01:00Z")),
  requestHeaders: [{ name: "x-region", value: canary, isRevealed: true }],
  requestBody: {
    bytes: 20n,
    mediaType: "application/json",
    form: BodyForm.BODY_FORM_JSON,
    json: '{"id":17}',
    revealed: ["$.id"],
  },
});
const insight = defineGrpcService(InsightServiceService, {
  allow: { listExchanges: managementApi, getCaptureFigures: managementApi },
  handlers: {
    listExchanges: async (call) => {
      asked = call.request;
      call.write({ exchanges: [{ exchange, fabricId, storedAt: new Date("2026-11-22T10:01:01Z") }] });
    },
    getCaptureFigures: async () => ({
      figures: [
        {
          captureId,
          exchanges: 1n,
          bytes: 200n,
          lastAt: new Date(0),
          losses: [{ captureId, reason: 1, exchanges: 7n }],
        },
      ],
      retentionDays: 7,
    }),
  },
});

beforeAll(async () => {
  const ports = { "api-manager": await freePort(), "analytics-ingest": await freePort() };
  world = await startApi({
    env: {
      DRAWBRIDGE_API_MANAGER_ADDRESS: `127.0.0.1:${ports["api-manager"]}`,
      DRAWBRIDGE_ANALYTICS_INGEST_ADDRESS: `127.0.0.1:${ports["analytics-ingest"]}`,
    },
  });
  await serve("api-manager", ports["api-manager"], captures);
  await serve("analytics-ingest", ports["analytics-ingest"], insight);
  operator = await world.createUser("ada", [{ role: "operator", environment: "production" }]);
  viewer = await world.createUser("bob", [{ role: "viewer", environment: "production" }]);
}, 60_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const cleanup of cleanups) await cleanup();
});

async function serve(name: string, port: number, service: GrpcServiceDefinition): Promise<void> {
  const server = createGrpcServer({
    name,
    listen: { host: "127.0.0.1", port },
    identity: new IdentityHolder(await world.ca.issueService(name)),
    clientCertificate: "required",
    logger: world.logs.logger,
    services: [service],
  });
  await server.start(new AbortController().signal);
  cleanups.push(() => server.stop(AbortSignal.abort()));
}

const call = (token: string, method: string, to: string, body?: unknown) =>
  world.api.call(method, to, { token, ...(body === undefined ? {} : { body }) });

async function lastAudit() {
  const { json } = await call(world.adminToken, "GET", "/v1/audit?limit=1");
  return json.items[0];
}

const order = {
  samplePercent: 10,
  where: { statusClasses: ["5xx"], methods: ["POST"] },
  parts: ["request-body", "answer-headers"],
  reveal: ["$.order.id", "$.card"],
  redact: ["$.customer"],
};

test("an operator starts a capture, is told who has to allow it, and every revealed path is in the audit log (META 4)", async () => {
  const started = await call(operator, "POST", orders, { ...order, durationSeconds: 600 });
  expect(started.status).toBe(201);
  expect(started.json).toMatchObject({
    ...order,
    captureId,
    state: "running",
    startedBy: "ada",
    endsAt: "2026-11-22T10:10:00.000Z",
    where: { statusClasses: ["5xx"], methods: ["POST"], paths: [], applications: [] },
    fabrics: [fabricId],
    limit: 100,
  });
  expect(started.json.warnings).toEqual(["$.card stays masked", expect.stringContaining("DRAWBRIDGE_ALLOW_INSIGHT")]);
  expect(await lastAudit()).toMatchObject({
    action: "capture.start",
    actor: "ada",
    target: "production/orders/v1",
    result: "success",
    details: { reveal: "$.order.id $.card", redact: "$.customer", captureId, durationSeconds: "600" },
  });
});

test("of long lists every path is in the audit log (META 4)", async () => {
  const paths = (part: string) =>
    Array.from({ length: 100 }, (_each, index) => `$.${part}.${"x".repeat(300)}.last${index}`);
  const long = { ...order, reveal: paths("a"), redact: paths("b"), where: { paths: paths("c").slice(0, 20) } };
  expect((await call(operator, "POST", orders, { ...long, durationSeconds: 600 })).status).toBe(201);
  const { details } = await lastAudit();
  const told = (name: string, separator: string) =>
    Array.from({ length: 100 }, (_each, index) => details[index === 0 ? name : `${name}.${index}`])
      .filter((text) => text !== undefined)
      .join(separator);
  expect(told("reveal", " ").split(" ")).toEqual(long.reveal);
  expect(told("redact", " ").split(" ")).toEqual(long.redact);
  expect(JSON.parse(told("where", ""))).toMatchObject(long.where);
});

test("what it took is read by operators, and each look is recorded (META 4)", async () => {
  const read = await call(operator, "GET", `${path}/exchanges?limit=5`);
  expect(read.status).toBe(200);
  const text = typeof read.json === "string" ? read.json : JSON.stringify(read.json);
  expect(text).toContain(canary);
  expect(asked).toEqual({ environment: "production", captureId, limit: 5, follow: false });
  expect(await lastAudit()).toMatchObject({ action: "capture.exchanges", actor: "ada", details: { limit: "5" } });
});

test("a viewer sees that a capture runs and how much it took, and not what; neither starts nor stops any (META 4)", async () => {
  const shown = await call(viewer, "GET", path);
  expect(shown.json).toMatchObject({
    state: "running",
    taken: { exchanges: 1, bytes: 200, losses: [{ reason: "rate", exchanges: 7 }], keptDays: 7 },
  });
  expect(JSON.stringify(shown.json)).not.toContain(canary);
  expect((await call(viewer, "GET", "/v1/captures")).json.items).toHaveLength(1);
  const refused = [
    await call(viewer, "GET", `${path}/exchanges`),
    await call(viewer, "POST", `${path}/stop`),
    await call(viewer, "POST", orders, { ...order, durationSeconds: 600 }),
  ];
  expect(refused.map(({ status, json }) => [status, json.code])).toEqual(refused.map(() => [403, "PERMISSION_DENIED"]));
});

test("a capture of another environment is as good as not there", async () => {
  await call(world.adminToken, "POST", "/v1/environments", { name: "sandbox" });
  for (const rest of ["", "/exchanges"]) {
    const answer = await call(world.adminToken, "GET", `/v1/environments/sandbox/captures/${captureId}${rest}`);
    expect([answer.status, answer.json.code]).toEqual([404, "CAPTURE_NOT_FOUND"]);
  }
});

test.each<[string, object, string]>([
  ["more than a day", { durationSeconds: 86_401 }, "durationSeconds"],
  ["a part that is none", { durationSeconds: 60, parts: ["cookies"] }, "parts.0"],
  ["a status that is no class", { durationSeconds: 60, where: { statusClasses: ["503"] } }, "where.statusClasses.0"],
  ["what is not known", { durationSeconds: 60, everything: true }, "everything"],
])("%s is refused here, by name", async (_what, body, field) => {
  const { status, json } = await call(operator, "POST", orders, body);
  expect([status, json.code, json.errors[0].field]).toEqual([400, "REQUEST_INVALID", field]);
});

test("a capture is stopped by an operator, and it is in the audit log", async () => {
  const stopped = await call(operator, "POST", `${path}/stop`);
  expect(stopped.json).toMatchObject({ state: "stopped", stoppedBy: "ada" });
  expect(await lastAudit()).toMatchObject({ action: "capture.stop", target: `production/${captureId}` });
});

test("an installation that keeps no analytics captures nothing (META 4)", async () => {
  await using without = await startApi({ withoutAnalytics: true });
  const body = { durationSeconds: 60 };
  const answer = await without.api.call("POST", orders, { token: without.adminToken, body });
  expect(answer.json).toMatchObject({ status: 501, code: "ANALYTICS_NOT_KEPT" });
});
