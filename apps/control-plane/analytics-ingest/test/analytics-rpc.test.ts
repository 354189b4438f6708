import {
  AnalyticsServiceClient,
  type AnalyticsServiceService,
  type ExportResponse,
  type ListRequestsResponse,
  type QueryRequest,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, type GrpcCalls } from "@drawbridge/rpc";
import { systemClock } from "@drawbridge/lifecycle";
import { createTestCa, createTestLogger, type TestCa } from "@drawbridge/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAnalyticsRpc } from "../src/query/analytics-rpc.ts";
import {
  aRequest,
  openTestAnalyticsStore,
  type StoredRequest,
  type TestAnalyticsStore,
} from "./support/stored-requests.ts";

let analytics: TestAnalyticsStore;
let ca: TestCa;
let calls: GrpcCalls<AnalyticsServiceService>;
let address: string;
const cleanups: (() => PromiseLike<unknown>)[] = [];
const logger = createTestLogger().logger;
const begin = new Date("2026-03-28T12:00:00Z");
const secondsLater = (seconds: number): Date => new Date(begin.getTime() + seconds * 1_000);
const stored: readonly StoredRequest[] = [
  aRequest({
    ts: begin,
    api: "orders",
    application: "shop",
    client_ip: "192.0.2.7",
    violated_policy: 'limit, "strict"',
    disposition: 2,
    status_code: 429,
    weight: 3,
  }),
  aRequest({ ts: secondsLater(1), api: "users", client_ip: "2001:db8::7", city: "Besançon" }),
  aRequest({ ts: secondsLater(2), api: "users", environment: "sandbox" }),
];

beforeAll(async () => {
  analytics = await openTestAnalyticsStore();
  cleanups.push(() => analytics[Symbol.asyncDispose]());
  await analytics.insert(stored);
  ca = await createTestCa();
  const dead = { list: async () => [], replay: async () => 1, delete: async () => 2, count: async () => 5n };
  const server = createGrpcServer({
    name: "internal",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("analytics-ingest")),
    clientCertificate: "required",
    logger,
    services: [
      createAnalyticsRpc({
        store: analytics.store,
        clock: systemClock,
        deadLetters: dead,
        intake: { waitingBatches: async () => 4n, lagMs: () => 900, retentionDays: 90 },
      }),
    ],
  });
  await server.start(new AbortController().signal);
  cleanups.push(() => server.stop(AbortSignal.timeout(5_000)));
  address = `127.0.0.1:${server.address().port}`;
  calls = await callsOf("management-api");
});
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

async function callsOf(service: string): Promise<GrpcCalls<AnalyticsServiceService>> {
  const client = createGrpcClient(AnalyticsServiceClient, {
    address,
    identity: new IdentityHolder(await ca.issueService(service)),
    expectedServer: "/cp/analytics-ingest",
    logger,
  });
  await client.start(new AbortController().signal);
  cleanups.push(() => client.stop(AbortSignal.timeout(5_000)));
  return client.call;
}

const selection = { environments: ["production"], from: begin, to: secondsLater(3_600), filters: [] };
const question: QueryRequest = { selection, timeZone: "", bucket: 0, groupBy: [1], measures: [1], limit: 0 };

async function allOf<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

describe("analytics (ANA 3)", () => {
  test("are told to management-api alone", async () => {
    await expect((await callsOf("runtime-manager")).query(question)).rejects.toMatchObject({
      kind: "permission_denied",
    });
    const { rows, source, buckets } = await calls.query(question);
    expect(rows.map(({ group, values }) => [group[0], values[0]])).toEqual([
      ["orders", 3],
      ["users", 1],
    ]);
    expect([source, buckets]).toEqual(["api_traffic_15m", []]);
  });

  test.each([
    [{ selection: undefined }, "selection"],
    [{ timeZone: "Mars/Olympus" }, "timeZone"],
    [{ groupBy: [1, 99] }, "groupBy.1"],
    [{ groupBy: [1, 1] }, "groupBy"],
    [{ groupBy: [1, 2, 3, 4, 5] }, "groupBy"],
    [{ measures: [] }, "measures"],
    [{ measures: [0] }, "measures.0"],
    [{ bucket: 77 }, "bucket"],
    [{ bucket: 1, selection: { ...selection, to: new Date("2027-01-01") } }, "bucket"],
    [{ limit: 10_001 }, "limit"],
  ] as const)("refuse %j by the name of the field", async (wrong, field) => {
    // What the contract has no number for is what these tests are about.
    const request = { ...question, ...wrong } as unknown as QueryRequest;
    const refused = { code: "ANALYTICS_QUERY_INVALID", kind: "invalid_argument" };
    await expect(calls.query(request)).rejects.toMatchObject(refused);
    await expect(calls.query(request)).rejects.toMatchObject({
      details: { [`field:${field}`]: expect.any(String) as string },
    });
  });

  test("list single requests, newest first, with what was told of them", async () => {
    const [answer] = await allOf<ListRequestsResponse>(calls.listRequests({ selection, limit: 10, follow: false }));
    expect(answer?.requests.map(({ api }) => api)).toEqual(["users", "orders"]);
    expect(answer?.requests[0]).toMatchObject({ clientIp: "2001:db8::7", city: "Besançon", country: "", latencyMs: 5 });
    expect(answer?.requests[1]).toMatchObject({
      time: begin,
      clientIp: "192.0.2.7",
      disposition: 2,
      statusCode: 429,
      weight: 3,
      violatedPolicy: 'limit, "strict"',
    });
    const [one] = await allOf<ListRequestsResponse>(calls.listRequests({ selection, limit: 1, follow: false }));
    expect(one?.requests).toHaveLength(1);
  });

  test("say which gateways told what, and what waits", async () => {
    const gap = { fabricId: stored[0]?.fabric_id ?? "", requests: 12n, from: begin, to: secondsLater(60) };
    await analytics.insertGap(gap);
    const intake = await calls.getIntake({ fabricId: "" });
    expect(intake).toMatchObject({ waitingBatches: 4n, deadLetters: 5n, lagMs: 900, retentionDays: 90 });
    const gateway = intake.gateways.find(({ gatewayId }) => gatewayId === "gateway-0");
    expect(gateway).toMatchObject({
      fabricId: gap.fabricId,
      requests: 5n,
      lastBatchAt: secondsLater(3),
      missing: [{ requests: 12n, from: begin, to: secondsLater(60), reason: 2 }],
    });
    expect((await calls.getIntake({ fabricId: "another' OR 1" })).gateways).toEqual([]);
  });
});

describe("an export", () => {
  const fileOf = async (format: 1 | 2 | 3): Promise<Buffer> =>
    Buffer.concat((await allOf<ExportResponse>(calls.export({ selection, format }))).map(({ bytes }) => bytes));

  test("as CSV has a line of names, and quotes what needs it (RFC 4180)", async () => {
    const [names = "", ...lines] = (await fileOf(1)).toString().trimEnd().split("\n");
    expect(names).toContain('"time","environment","api","apiVersion"');
    expect(lines).toHaveLength(2);
    expect(lines.join()).toContain('"limit, ""strict"""');
    expect(lines.join()).toContain('"policy_violation"');
    expect(lines.join()).toContain("2026-03-28T12:00:00.000Z");
  });

  test("as NDJSON has a document a line, with the names of the REST API", async () => {
    const lines = (await fileOf(2)).toString().trimEnd().split("\n");
    const requests = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(requests.find(({ api }) => api === "orders")).toMatchObject({
      time: "2026-03-28T12:00:00.000Z",
      clientIp: "192.0.2.7",
      statusCode: 429,
      disposition: "policy_violation",
      latencyMs: 5,
      fabricId: stored[0]?.fabric_id,
    });
  });

  test("as Parquet is a Parquet file", async () => {
    const file = await fileOf(3);
    expect([file.subarray(0, 4).toString(), file.subarray(-4).toString()]).toEqual(["PAR1", "PAR1"]);
  });

  test("leaves out what the filters leave out, also by what a column means in a file", async () => {
    const filters = [{ dimension: 9 as const, values: ["policy_violation"], negated: true }];
    const [file] = await allOf<ExportResponse>(calls.export({ selection: { ...selection, filters }, format: 2 }));
    expect(file?.bytes.toString().trimEnd().split("\n")).toHaveLength(1);
  });

  test("of many requests comes in pieces of at most 64 KiB", async () => {
    const many = Array.from({ length: 5_000 }, (_, index) =>
      aRequest({ ts: secondsLater(index), environment: "large" }),
    );
    await analytics.insert(many);
    const pieces = await allOf<ExportResponse>(
      calls.export({ selection: { ...selection, environments: ["large"], to: secondsLater(9_000) }, format: 1 }),
    );
    expect(pieces.length).toBeGreaterThan(5);
    expect(Math.max(...pieces.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(64 * 1024);
    expect(
      Buffer.concat(pieces.map(({ bytes }) => bytes))
        .toString()
        .trimEnd()
        .split("\n"),
    ).toHaveLength(5_001);
  });
});

describe("a tail", () => {
  /** Of the present, because it tells what comes in. */
  const now = () => new Date();
  const request = (api: string, sequence: number) =>
    aRequest({ ts: now(), environment: "live", api, sequence, epoch: 9 });

  test("tells the last ones oldest first, then those that come in, each once and only what the filters let through", async () => {
    await analytics.insert([request("first", 1), request("second", 1)]);
    const hangUp = new AbortController();
    const live = { environments: ["live"], from: new Date(now().getTime() - 60_000), to: undefined };
    const filters = [{ dimension: 1 as const, values: ["hidden"], negated: true }];
    const stream = calls.listRequests(
      { selection: { ...live, filters }, limit: 10, follow: true },
      { signal: hangUp.signal },
    );
    stream.on("error", () => undefined);
    const told: string[] = [];
    const messages = (stream as AsyncIterable<ListRequestsResponse>)[Symbol.asyncIterator]();
    const read = async (until: number): Promise<void> => {
      while (told.length < until) {
        const { value } = await messages.next();
        told.push(...(value as ListRequestsResponse).requests.map(({ api }) => api));
      }
    };
    await read(2);
    // The later batch is in before the one that was sent before it.
    await analytics.insert([request("hidden", 3), request("third", 3)]);
    await read(3);
    await analytics.insert([request("fourth", 2)]);
    await read(4);
    expect(told.slice(0, 2).toSorted()).toEqual(["first", "second"]);
    expect(told.slice(2)).toEqual(["third", "fourth"]);
    hangUp.abort();
  });

  test("says of how many it does not tell, also where more batches came in at once than it looks into", async () => {
    const live = { environments: ["flood"], from: new Date(now().getTime() - 60_000), to: undefined, filters: [] };
    const hangUp = new AbortController();
    const stream = calls.listRequests({ selection: live, limit: 10, follow: true }, { signal: hangUp.signal });
    stream.on("error", () => undefined);
    const flood = (sequence: number) => ({ ...request("many", sequence), environment: "flood" });
    await analytics.insert([flood(1)]);
    const messages = (stream as AsyncIterable<ListRequestsResponse>)[Symbol.asyncIterator]();
    await messages.next(); // it looks by now
    await analytics.insert(Array.from({ length: 2_100 }, (_, index) => flood(index + 2)));
    const { value } = (await messages.next()) as { readonly value: ListRequestsResponse };
    expect(value.requests.length).toBeLessThanOrEqual(2_000);
    expect(BigInt(value.requests.length) + value.leftOut).toBe(2_100n);
    hangUp.abort();
  });
});
