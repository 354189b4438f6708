import { once } from "node:events";
import type { ListRequestsResponse } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { allJsonLines } from "./support/lines.ts";
import { aRequestRecord } from "./support/stand-in-analytics-ingest.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";
import { startApi, type TestApi } from "./support/start-api.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());
afterEach(() => {
  world.analytics.failWith = undefined;
});

const path = "/v1/environments/production/analytics";
const get = (query = "", token = world.adminToken) => world.api.call("GET", `${path}${query}`, { token });
const at = (text: string): Date => new Date(text);

describe("figures (ANA 3)", () => {
  test("are asked for as the query says, of the environment in the path and no other", async () => {
    world.analytics.figures = {
      rows: [{ bucket: at("2026-03-28T23:00:00Z"), group: ["orders", "5xx"], values: [3, Number.NaN] }],
      buckets: [at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")],
      isCut: true,
      missingRequests: 12n,
      keptSince: at("2025-12-01T00:00:00Z"),
      source: "api_traffic_15m",
    };
    const query = new URLSearchParams([
      ["from", "2026-03-29T00:00:00+01:00"],
      ["to", "2026-03-31T00:00:00Z"],
      ["timeZone", "Europe/Berlin"],
      ["bucket", "day"],
      ["groupBy", "api,statusClass"],
      ["measures", "requests,latencyP95Ms"],
      ["where", "application!=shop|mobile"],
      ["where", "statusClass=5xx"],
      ["limit", "5"],
    ]);
    const { status, json } = await get(`?${query.toString()}`);
    expect(status).toBe(200);
    expect(world.analytics.asked.query).toEqual({
      selection: {
        environments: ["production"],
        from: at("2026-03-28T23:00:00Z"),
        to: at("2026-03-31T00:00:00Z"),
        filters: [
          { dimension: 3, negated: true, values: ["shop", "mobile"] },
          { dimension: 7, negated: false, values: ["5xx"] },
        ],
      },
      timeZone: "Europe/Berlin",
      bucket: 4,
      groupBy: [1, 7],
      measures: [1, 9],
      limit: 5,
    });
    expect(json).toEqual({
      from: "2026-03-28T23:00:00.000Z",
      to: "2026-03-31T00:00:00.000Z",
      timeZone: "Europe/Berlin",
      bucket: "day",
      groupBy: ["api", "statusClass"],
      measures: ["requests", "latencyP95Ms"],
      buckets: ["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"],
      rows: [
        {
          bucket: "2026-03-28T23:00:00.000Z",
          group: { api: "orders", statusClass: "5xx" },
          values: { requests: 3, latencyP95Ms: null },
        },
      ],
      isCut: true,
      missingRequests: 12,
      keptSince: "2025-12-01T00:00:00.000Z",
      source: "api_traffic_15m",
    });
  });

  test("without anything are the requests of the last day", async () => {
    await get();
    const { selection, ...rest } = world.analytics.asked.query ?? { selection: undefined };
    expect((selection?.to?.getTime() ?? 0) - (selection?.from?.getTime() ?? 0)).toBe(86_400_000);
    expect(rest).toEqual({ timeZone: "", bucket: 0, groupBy: [], measures: [1], limit: 1_000 });
  });

  test.each([
    ["from=yesterday", "from"],
    ["bucket=fortnight", "bucket"],
    ["groupBy=api,constructor", "groupBy.1"],
    ["groupBy=environment", "groupBy.0"],
    ["measures=requests,(SELECT 1)", "measures.1"],
    ["where=api", "where.0"],
    ["where=environment=sandbox", "where.0"],
    ["where=api=a&where=1=1--", "where.1"],
    ["limit=1 OR 1", "limit"],
    ["environments=sandbox", "environments"],
    ["timeZone=" + "x".repeat(65), "timeZone"],
  ])("%s is refused here, by name", async (query, field) => {
    const { status, json } = await get(`?${query}`);
    expect([status, json.code, json.errors[0].field]).toEqual([400, "REQUEST_INVALID", field]);
  });

  test.each([
    ["selection.filters.1.values", "where.1"],
    ["selection.from", "from"],
    ["groupBy.2", "groupBy"],
    ["timeZone", "timeZone"],
  ])("what analytics-ingest says of %s is said of %s", async (theirs, ours) => {
    world.analytics.failWith = new DrawbridgeError({
      kind: "invalid_argument",
      code: "ANALYTICS_QUERY_INVALID",
      message: `${theirs} must be something else`,
      details: { [`field:${theirs}`]: "must be something else" },
    });
    const { status, json } = await get();
    expect(status).toBe(400);
    expect(json).toMatchObject({
      code: "ANALYTICS_QUERY_INVALID",
      detail: `${ours} must be something else`,
      errors: [{ field: ours, message: "must be something else" }],
    });
  });

  test("that take too much, or whose store is away, are refused by what is so", async () => {
    const codeOf = async (kind: "deadline_exceeded" | "out_of_range" | "unavailable", code: string) => {
      world.analytics.failWith = new DrawbridgeError({ kind, code, message: "so it is" });
      const { status, json } = await get();
      return [status, json.code];
    };
    expect(await codeOf("deadline_exceeded", "COLUMNAR_QUERY_TIMEOUT")).toEqual([504, "COLUMNAR_QUERY_TIMEOUT"]);
    expect(await codeOf("out_of_range", "COLUMNAR_QUERY_LIMIT")).toEqual([400, "COLUMNAR_QUERY_LIMIT"]);
    await world.stopPeer("analytics-ingest");
    const away = await world.api.call("GET", `${path}/requests`, { token: world.adminToken });
    await world.startPeer("analytics-ingest");
    expect(away.json).toMatchObject({ code: "PEER_UNAVAILABLE", details: { service: "analytics-ingest" } });
  });

  test("of an environment without a role are refused like those of one that is not there", async () => {
    const token = await world.createUser("sandbox-viewer", [{ role: "viewer", environment: "sandbox" }]);
    const codeOf = async (environment: string, part: string) =>
      (await world.api.call("GET", `/v1/environments/${environment}/analytics${part}`, { token })).json.code;
    for (const part of ["", "/requests", "/export"]) {
      expect([await codeOf("production", part), await codeOf("nowhere", part)]).toEqual([
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
      ]);
    }
    expect((await get("", world.adminToken)).status).toBe(200);
    const absent = await world.api.call("GET", "/v1/environments/nowhere/analytics", { token: world.adminToken });
    expect(absent.json.code).toBe("ENVIRONMENT_NOT_FOUND");
  });
});

describe("single requests", () => {
  const open = (query = "", signal?: AbortSignal) =>
    world.api.open("GET", `${path}/requests${query}`, { token: world.adminToken, ...(signal ? { signal } : {}) });

  test("are lines, and a look at them is recorded", async () => {
    world.analytics.requests = async function* two() {
      yield {
        requests: [aRequestRecord({ api: "orders", disposition: 2 }), aRequestRecord({ api: "users" })],
        leftOut: 0n,
      };
    };
    const answer = await open("?limit=2&where=api%3Dorders%7Cusers");
    expect(answer.headers["content-type"]).toBe("application/x-ndjson");
    expect(await allJsonLines(answer.body)).toMatchObject([
      { type: "request", api: "orders", disposition: "policy_violation", time: "2026-03-28T12:00:00.000Z" },
      { type: "request", api: "users", disposition: "processed" },
    ]);
    expect(world.analytics.asked.list).toMatchObject({
      limit: 2,
      follow: false,
      selection: { filters: [{ dimension: 1, values: ["orders", "users"] }] },
    });
    const { json } = await world.api.call("GET", "/v1/audit?limit=1", { token: world.adminToken });
    expect(json.items).toMatchObject([{ action: "analytics.requests", target: "production", result: "success" }]);
  });

  test("that come in are told as they come, with how many are not, and end at their source with the reader", async () => {
    const ended = Promise.withResolvers<void>();
    const more = Promise.withResolvers<ListRequestsResponse>();
    world.analytics.requests = async function* live(signal) {
      signal.addEventListener("abort", () => ended.resolve());
      yield { requests: [aRequestRecord({ api: "first" })], leftOut: 0n };
      yield await more.promise;
      await once(signal, "abort");
    };
    const { body } = await open("?follow=true");
    const [first] = (await once(body, "data")) as [Buffer];
    expect(JSON.parse(first.toString())).toMatchObject({ type: "request", api: "first" });
    more.resolve({ requests: [aRequestRecord({ api: "second" })], leftOut: 7n });
    const [second] = (await once(body, "data")) as [Buffer];
    expect(second.toString()).toContain('{"type":"leftOut","requests":7}');
    body.on("error", () => undefined).destroy();
    await ended.promise;
  });

  test("that cannot be had are refused with a status", async () => {
    world.analytics.failWith = new DrawbridgeError({
      kind: "unavailable",
      code: "COLUMNAR_UNAVAILABLE",
      message: "away",
    });
    const answers = [await open(), await open("?follow=true")];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([503, 503]);
    for (const { body } of answers) await body.dump();
  });
});

describe("an export", () => {
  const open = (query: string) => world.api.open("GET", `${path}/export${query}`, { token: world.adminToken });

  test.each([
    ["csv", "text/csv; charset=utf-8", 1],
    ["ndjson", "application/x-ndjson", 2],
    ["parquet", "application/vnd.apache.parquet", 3],
  ])("as %s is a file of that type, byte by byte, and recorded", async (format, mediaType, number) => {
    const bytes = Buffer.from([0, 1, 2, 10, 10, 255]);
    world.analytics.file = async function* pieces() {
      yield bytes.subarray(0, 2);
      yield bytes.subarray(2);
    };
    const answer = await open(`?format=${format}&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z`);
    expect(answer.headers["content-type"]).toBe(mediaType);
    expect(answer.headers["content-disposition"]).toBe(`attachment; filename="requests-production.${format}"`);
    expect(Buffer.from(await answer.body.arrayBuffer())).toEqual(bytes);
    expect(world.analytics.asked.export?.format).toBe(number);
    const { json } = await world.api.call("GET", "/v1/audit?limit=1", { token: world.adminToken });
    expect(json.items).toMatchObject([{ action: "analytics.export", details: { format } }]);
  });

  test("that breaks off is cut with its connection, so that it does not look whole", async () => {
    world.analytics.file = async function* broken() {
      yield Buffer.from("time,api\n");
      throw new DrawbridgeError({ kind: "unavailable", code: "COLUMNAR_UNAVAILABLE", message: "away" });
    };
    const answer = await open("?format=csv");
    expect(answer.statusCode).toBe(200);
    await expect(answer.body.text()).rejects.toThrow();
  });

  test("that cannot begin is refused with a status", async () => {
    world.analytics.failWith = new DrawbridgeError({
      kind: "resource_exhausted",
      code: "COLUMNAR_OVERLOADED",
      message: "busy",
      retryAfterMs: 1_000,
    });
    const answer = await open("?format=csv");
    expect([answer.statusCode, answer.headers["retry-after"]]).toEqual([429, "1"]);
    await answer.body.dump();
  });

  test.each(["format=exe", "format=csv&where=a", "format=../../etc/passwd"])("%s is refused", async (query) => {
    const answer = await open(`?${query}`);
    expect(answer.statusCode).toBe(400);
    await answer.body.dump();
  });
});

describe("the intake", () => {
  test("shows gateways of fabrics that the caller may see", async () => {
    const [seen, hidden] = [
      aFabric({ name: "edge", environments: ["production"] }),
      aFabric({ name: "other", environments: ["sandbox"] }),
    ];
    for (const fabric of [seen, hidden]) world.runtimeManager.fabrics.set(fabric.fabricId, fabric);
    const gateway = (fabricId: string) => ({
      fabricId,
      gatewayId: "gateway-0",
      lastBatchAt: at("2026-03-28T12:00:00Z"),
      requests: 10n,
      missing: [{ requests: 2n, from: at("2026-03-28T10:00:00Z"), to: at("2026-03-28T11:00:00Z"), reason: 2 as const }],
    });
    const deleted = "00000000-0000-4000-8000-0000000000dd";
    world.analytics.intake = {
      gateways: [gateway(seen.fabricId), gateway(hidden.fabricId), gateway(deleted)],
      waitingBatches: 1n,
      deadLetters: 2n,
      lagMs: 900.5,
      retentionDays: 90,
    };
    const token = await world.createUser("intake-viewer", [{ role: "viewer", environment: "production" }]);
    const mine = await world.api.call("GET", "/v1/analytics/intake", { token });
    expect(mine.json).toEqual({
      gateways: [
        {
          fabricId: seen.fabricId,
          fabric: "edge",
          gateway: "gateway-0",
          lastBatchAt: "2026-03-28T12:00:00.000Z",
          requests: 10,
          missing: [
            { requests: 2, from: "2026-03-28T10:00:00.000Z", to: "2026-03-28T11:00:00.000Z", reason: "spool_full" },
          ],
        },
      ],
      waitingBatches: 1,
      deadLetters: 2,
      lagMs: 900.5,
      retentionDays: 90,
    });
    const all = await world.api.call("GET", "/v1/analytics/intake", { token: world.adminToken });
    expect(all.json.gateways.map(({ fabric }: { fabric: unknown }) => fabric)).toEqual(["edge", "other", null]);
    expect((await world.api.call("GET", "/v1/analytics/intake?fabric=other", { token })).json.code).toBe(
      "PERMISSION_DENIED",
    );
  });
});

describe("dead letters", () => {
  const letters = "/v1/analytics/dead-letters";
  const call = (method: string, query: string, body?: unknown) =>
    world.api.call(method, `${letters}${query}`, { token: world.adminToken, ...(body === undefined ? {} : { body }) });
  const aLetter = (id: bigint) => ({
    id,
    fabricId: "f",
    gatewayId: "gateway-0",
    time: at("2026-03-28T12:00:00Z"),
    code: "ANALYTICS_BATCH_INVALID",
    message: "status is too short",
    bytes: 100,
    attempts: 3,
  });

  test("are listed, offered again and given up, by number or all", async () => {
    world.analytics.deadLetters.push(...[1n, 2n, 3n, 4n].map(aLetter));
    expect((await call("GET", "?limit=1")).json.items).toEqual([
      {
        id: "1",
        fabricId: "f",
        gateway: "gateway-0",
        time: "2026-03-28T12:00:00.000Z",
        code: "ANALYTICS_BATCH_INVALID",
        message: "status is too short",
        bytes: 100,
        attempts: 3,
      },
    ]);
    expect((await call("POST", "/replay", { ids: ["2"] })).json).toEqual({ replayed: 1 });
    expect((await call("DELETE", "?ids=1,3")).json).toEqual({ deleted: 2 });
    expect((await call("POST", "/replay", { ids: ["1"] })).json).toMatchObject({
      status: 404,
      code: "DEAD_LETTER_UNKNOWN",
    });
    expect((await call("POST", "/replay", { all: true })).json).toEqual({ replayed: 1 });
    expect((await call("DELETE", "?all=true")).json).toEqual({ deleted: 0 });
  });

  test("are never all meant where none is named", async () => {
    const answers = [
      await call("POST", "/replay", {}),
      await call("POST", "/replay", { ids: [] }),
      await call("POST", "/replay", { ids: ["1"], all: true }),
      await call("DELETE", ""),
      await call("DELETE", "?ids="),
      await call("DELETE", "?ids=1&all=true"),
      await call("DELETE", "?ids=1;2"),
    ];
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 400));
  });
});

test("a control plane without analytics-ingest says that it keeps no analytics", async () => {
  await using without = await startApi({ withoutAnalytics: true });
  const token = without.adminToken;
  for (const route of [
    path,
    `${path}/requests`,
    `${path}/export`,
    "/v1/analytics/intake",
    "/v1/analytics/dead-letters",
  ]) {
    const { status, json } = await without.api.call("GET", route, { token });
    expect([status, json.code], route).toEqual([501, "ANALYTICS_NOT_KEPT"]);
  }
});
