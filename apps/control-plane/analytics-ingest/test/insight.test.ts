import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { createGrantSigner } from "@drawbridge/analytics-access";
import {
  BodyForm,
  CaptureLossReason,
  InsightBatch,
  type CapturedExchange,
} from "@drawbridge/contracts/insight/v1/insight_batch";
import {
  InsightServiceClient,
  type InsightServiceService,
  type ListExchangesRequest,
  type StoredExchange,
} from "@drawbridge/contracts/insight/v1/insight_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, type GrpcCalls } from "@drawbridge/rpc";
import { createTestCa, createTestLogger, tempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createExchangeStore, type ExchangeStore } from "../src/insight/exchange-store.ts";
import { createInsightRpc } from "../src/insight/insight-rpc.ts";
import { fabricId, otherFabricId, startIntake, type IntakeWorld } from "./support/intake-world.ts";
import { bearer, connectGateway, packed, type Answer } from "./support/send.ts";
import { openTestAnalyticsStore, type TestAnalyticsStore } from "./support/stored-requests.ts";

const cleanups: (() => PromiseLike<unknown>)[] = [];
const logger = createTestLogger().logger;
const forever = new AbortController().signal;
/** Room of a capture in a fabric here. */
const captureBytes = 64 * 1024;
let analytics: TestAnalyticsStore;
let directory: string;
let exchanges: ExchangeStore;
let world: IntakeWorld;
let calls: GrpcCalls<InsightServiceService>;
let callsAs: (service: string) => Promise<GrpcCalls<InsightServiceService>>;

beforeAll(async () => {
  analytics = await openTestAnalyticsStore();
  cleanups.push(() => analytics[Symbol.asyncDispose]());
  const folder = await tempDir();
  cleanups.push(() => folder[Symbol.asyncDispose]());
  directory = `${folder.path}/insight`;
  const { store } = analytics;
  const room = { captureBytes, fabricBytes: 1024 * 1024, fabricCaptures: 100 };
  exchanges = createExchangeStore({ store, directory, retentionDays: 7, room, clock: systemClock, ids: uuidV7Ids });
  await exchanges.start(forever);
  world = await startIntake({ exchanges });
  cleanups.push(() => world[Symbol.asyncDispose]());
  const server = createGrpcServer({
    name: "internal",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await world.ca.issueService("analytics-ingest")),
    clientCertificate: "required",
    logger,
    services: [createInsightRpc({ store, clock: systemClock, retentionDays: 7 })],
  });
  await server.start(forever);
  cleanups.push(() => server.stop(AbortSignal.timeout(5_000)));
  callsAs = async (service) => {
    const client = createGrpcClient(InsightServiceClient, {
      address: `127.0.0.1:${server.address().port}`,
      identity: new IdentityHolder(await world.ca.issueService(service)),
      expectedServer: "/cp/analytics-ingest",
      logger,
    });
    await client.start(forever);
    cleanups.push(() => client.stop(AbortSignal.timeout(5_000)));
    return client.call;
  };
  calls = await callsAs("management-api");
}, 60_000);
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

function anExchange(captureId: string, parts: Partial<CapturedExchange> = {}): CapturedExchange {
  return {
    exchangeId: randomUUID(),
    captureId,
    apiId: randomUUID(),
    apiName: "orders",
    apiVersion: "v1",
    environment: "production",
    app: "orders",
    replica: "orders-0",
    clientApplication: "shop",
    receivedAtMs: BigInt(Date.now()),
    method: "POST",
    pathTemplate: "/orders/{id}",
    status: 503,
    disposition: 1,
    violatedPolicy: "",
    latencyUs: 12_000n,
    upstreamUs: 11_000n,
    query: [],
    requestHeaders: [{ name: "x-user", value: "string(7)", isRevealed: false }],
    requestBody: aBody('{"order":{"id":17},"note":"string(4)"}'),
    responseHeaders: [],
    responseBody: undefined,
    ...parts,
  };
}

function aBody(json: string) {
  return { bytes: 40n, mediaType: "application/json", form: BodyForm.BODY_FORM_JSON, json, fields: [], revealed: [] };
}

const batchOf = (some: readonly CapturedExchange[], parts: Partial<InsightBatch> = {}): Uint8Array =>
  InsightBatch.encode({
    gatewayId: "gateway-1",
    batchId: randomUUID(),
    exchanges: [...some],
    losses: [],
    ...parts,
  }).finish();

async function send(body: Uint8Array, token?: string): Promise<Answer> {
  await using gateway = await connectGateway(world);
  return await gateway.send(packed(body), {
    ":path": "/v1/insight/exchanges",
    ...bearer(token ?? (await world.token())),
    "content-encoding": "zstd",
  });
}

async function stored(
  captureId: string,
  parts: Partial<ListExchangesRequest> = {},
): Promise<readonly StoredExchange[]> {
  const all: StoredExchange[] = [];
  const request = { environment: "production", captureId, limit: 0, follow: false, ...parts };
  for await (const message of calls.listExchanges(request)) all.push(...message.exchanges);
  return all;
}

const idsOf = (some: readonly StoredExchange[]) => some.map(({ exchange }) => exchange?.exchangeId);

test("what is answered with 200 is kept, whole and newest first, with the fabric of its token (META 4)", async () => {
  const captureId = randomUUID();
  const now = Date.now();
  const older = anExchange(captureId, { receivedAtMs: BigInt(now - 5_000) });
  const newer = anExchange(captureId, { receivedAtMs: BigInt(now), responseBody: aBody("[]") });
  expect(await send(batchOf([newer, older]))).toMatchObject({
    status: 200,
    json: { accepted: 2, fullCaptures: [], minFlushMs: 0 },
  });
  const found = await stored(captureId);
  expect(found.map(({ exchange }) => exchange)).toEqual([newer, older]);
  expect(found[0]?.fabricId).toBe(fabricId);
  expect(idsOf(await stored(captureId, { limit: 1 }))).toEqual([newer.exchangeId]);
  expect(await stored(captureId, { environment: "sandbox" })).toEqual([]);
  expect(await readdir(directory)).toEqual([]);
});

test("an exchange that comes again is kept once: in the same batch, in another, at the same time, after a restart (META 4)", async () => {
  const captureId = randomUUID();
  const once = anExchange(captureId);
  const batch = batchOf([once, once]);
  const answers = await Promise.all([send(batch), send(batch), send(batchOf([once]))]);
  expect(answers.map(({ json }) => json["accepted"])).toEqual([2, 2, 1]);
  const { store } = analytics;
  const next = createExchangeStore({ store, directory, retentionDays: 7, clock: systemClock, ids: uuidV7Ids });
  await next.start(forever);
  const again = { ...once, fabricId, atMs: Date.now(), receivedAtMs: Date.now(), bytes: Buffer.from("again") };
  expect(await next.keep({ exchanges: [again], losses: [] })).toEqual({ accepted: 1, fullCaptures: [] });
  expect((await stored(captureId)).map(({ exchange }) => exchange)).toEqual([once]);
});

test("blank lines and statements in what was captured are text, and nothing else (canary)", async () => {
  const captureId = randomUUID();
  const evil = `\n\nDROP TABLE insight_exchanges;\n\n'); DROP TABLE requests; --\u0000\\N\t\r\n`;
  const exchange = anExchange(captureId, {
    clientApplication: evil,
    requestBody: aBody(JSON.stringify({ evil })),
    requestHeaders: [{ name: evil, value: evil, isRevealed: true }],
  });
  expect(await send(batchOf([exchange]))).toMatchObject({ status: 200 });
  expect((await stored(captureId)).map((one) => one.exchange)).toEqual([exchange]);
  const tables = (await analytics.store.stats()).map(({ table }) => table);
  expect(tables).toEqual(expect.arrayContaining(["insight_exchanges"]));
});

test.each<[string, () => Promise<string>, number, string]>([
  ["no token of this installation", async () => foreignToken(), 401, "ANALYTICS_TOKEN_INVALID"],
  ["a token that is none", async () => "a.b.c", 401, "ANALYTICS_TOKEN_INVALID"],
  [
    "an expired one",
    async () => world.token({ issuedAt: ago(7_200), expiresAt: ago(3_600) }),
    401,
    "ANALYTICS_TOKEN_EXPIRED",
  ],
  [
    "one for another environment",
    async () => world.token({ environments: ["sandbox"] }),
    403,
    "ANALYTICS_ENVIRONMENT_FORBIDDEN",
  ],
])("exchanges that come with %s are refused, and none is kept (META 4)", async (_what, tokenOf, status, code) => {
  const captureId = randomUUID();
  const answer = await send(batchOf([anExchange(captureId)]), await tokenOf());
  expect([answer.status, answer.json["code"]]).toEqual([status, code]);
  expect(await stored(captureId)).toEqual([]);
});

test("one exchange of a foreign environment and nothing of its batch is kept", async () => {
  const captureId = randomUUID();
  const batch = batchOf([anExchange(captureId), anExchange(captureId, { environment: "sandbox" })]);
  expect(await send(batch)).toMatchObject({ status: 403, json: { code: "ANALYTICS_ENVIRONMENT_FORBIDDEN" } });
  expect(await stored(captureId)).toEqual([]);
});

test.each<[string, () => Uint8Array]>([
  ["bytes that are no batch", () => Buffer.from([0xff, 0xff, 0xff])],
  ["a capture whose id is none", () => batchOf([anExchange("'; DROP TABLE requests")])],
  ["no name of the batch", () => batchOf([anExchange(randomUUID())], { batchId: "" })],
  ["too many exchanges", () => batchOf(Array.from({ length: 101 }, () => anExchange(randomUUID())))],
])("%s is refused for good", async (_what, bodyOf) => {
  expect(await send(bodyOf())).toMatchObject({ status: 400, json: { code: "INSIGHT_BATCH_INVALID" } });
});

test("a capture has so much room in a fabric and no more, and takes nothing from that of another fabric", async () => {
  const captureId = randomUUID();
  const large = () => anExchange(captureId, { requestBody: aBody(JSON.stringify("x".repeat(captureBytes / 3))) });
  const full = await send(batchOf([large(), large(), large()]));
  expect(full).toMatchObject({ status: 200, json: { accepted: 2, fullCaptures: [captureId] } });
  const theirs = await send(batchOf([large()]), await world.token({ fabricId: otherFabricId }));
  expect(theirs).toMatchObject({ status: 200, json: { accepted: 1, fullCaptures: [] } });
  expect(await stored(captureId)).toHaveLength(3);
});

test("the figures count each exchange once, and the losses of a batch once however often it came", async () => {
  const [captureId, idle] = [randomUUID(), randomUUID()];
  const last = Date.now() - 60_000;
  const exchange = anExchange(captureId, { receivedAtMs: BigInt(last) });
  const rate = CaptureLossReason.CAPTURE_LOSS_REASON_RATE;
  const memory = CaptureLossReason.CAPTURE_LOSS_REASON_MEMORY;
  const batch = batchOf([exchange], {
    losses: [
      { captureId, reason: rate, exchanges: 7n },
      { captureId, reason: memory, exchanges: 2n },
    ],
  });
  for (const body of [batch, batch, batchOf([], { losses: [{ captureId, reason: rate, exchanges: 3n }] })]) {
    expect(await send(body)).toMatchObject({ status: 200 });
  }
  const { figures, retentionDays } = await calls.getCaptureFigures({
    environment: "production",
    captureIds: [captureId, idle],
  });
  expect(figures).toEqual([
    {
      captureId,
      exchanges: 1n,
      bytes: expect.any(BigInt),
      lastAt: new Date(last),
      losses: [
        { captureId, reason: rate, exchanges: 10n },
        { captureId, reason: memory, exchanges: 2n },
      ],
    },
  ]);
  expect(retentionDays).toBe(7);
});

test("losses count for captures in the environments of the token that they came with, and nowhere else", async () => {
  const captureId = randomUUID();
  const losses = [{ captureId, reason: CaptureLossReason.CAPTURE_LOSS_REASON_RATE, exchanges: 7n }];
  const tokens = [
    await world.token({ environments: ["staging"] }),
    await world.token({ environments: ["x", "sandbox"] }),
  ];
  for (const token of tokens) expect(await send(batchOf([], { losses }), token)).toMatchObject({ status: 200 });
  const lost = async (environment: string) => {
    const { figures } = await calls.getCaptureFigures({ environment, captureIds: [captureId] });
    return figures.flatMap((one) => one.losses.map(({ exchanges: count }) => count));
  };
  expect([await lost("production"), await lost("sandbox"), await lost("staging")]).toEqual([[], [7n], [7n]]);
});

test("whoever follows a capture hears of what is there, oldest first, and of each that comes in once", async () => {
  const captureId = randomUUID();
  const [first, second, third] = [3_000, 2_000, 1_000].map((ms) =>
    anExchange(captureId, { receivedAtMs: BigInt(Date.now() - ms) }),
  );
  if (!first || !second || !third) throw new Error("three were made");
  await send(batchOf([second, first]));
  const told: (string | undefined)[] = [];
  const ending = new AbortController();
  const stream = calls.listExchanges(
    { environment: "production", captureId, limit: 10, follow: true },
    { signal: ending.signal },
  );
  stream.on("error", () => undefined);
  for await (const message of stream) {
    told.push(...idsOf(message.exchanges));
    if (told.length === 2) await send(batchOf([second, third]));
    if (told.length === 3) break;
  }
  ending.abort();
  expect(told).toEqual([first, second, third].map(({ exchangeId }) => exchangeId));
});

test("nobody but management-api reads what was captured", async () => {
  const other = await callsAs("alerting");
  await expect(other.getCaptureFigures({ environment: "production", captureIds: [] })).rejects.toMatchObject({
    kind: "permission_denied",
  });
});

const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1_000);

async function foreignToken(): Promise<string> {
  const signer = await (await createTestCa()).issueService("runtime-manager");
  return createGrantSigner(() => signer)({
    fabricId,
    environments: ["production"],
    issuedAt: ago(0),
    expiresAt: new Date(Date.now() + 3_600_000),
    tokenId: randomUUID(),
  });
}
