import { sql } from "@drawbridge/columnar";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerQuery } from "../src/query/answer-query.ts";
import { bucketAt, bucketParameters } from "../src/query/bucket-at.ts";
import type { Question } from "../src/query/build-query.ts";
import type { Dimension } from "../src/query/dimensions.ts";
import { type Measure, measures } from "../src/query/measures.ts";
import { checkSelection, type Filter } from "../src/query/selection.ts";
import { bucketBegins, type BucketWidth } from "../src/query/time-buckets.ts";
import { figuresOf, textOf } from "./support/expected-figures.ts";
import { sampleBegin, sampleEnd, sampleRequests } from "./support/request-sample.ts";
import { openTestAnalyticsStore, type StoredRequest, type TestAnalyticsStore } from "./support/stored-requests.ts";

const sample = sampleRequests(3_000);
let analytics: TestAnalyticsStore;
beforeAll(async () => {
  analytics = await openTestAnalyticsStore();
  await analytics.insert(sample.slice(0, 1_000));
  await analytics.insert(sample.slice(1_000));
});
afterAll(() => analytics[Symbol.asyncDispose]());

interface Asked {
  readonly environments?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
  readonly filters?: readonly Filter[];
  readonly groupBy?: readonly Dimension[];
  readonly measures?: readonly Measure[];
  readonly bucket?: { readonly width: BucketWidth; readonly zone: string };
  readonly limit?: number;
  readonly reachesNow?: boolean;
}

function question(asked: Asked): Question {
  const { environments = ["production"], from = sampleBegin, to = sampleEnd, filters = [], bucket } = asked;
  return {
    selection: checkSelection({ environments, from, to, filters }),
    reachesNow: asked.reachesNow ?? false,
    begins: bucket === undefined ? [] : bucketBegins(bucket.width, bucket.zone, { from, to }),
    groupBy: asked.groupBy ?? [],
    measures: asked.measures ?? ["requests"],
    limit: asked.limit ?? 1_000,
  };
}

const ask = (asked: Asked) =>
  answerQuery(
    { store: analytics.store, clock: { now: () => sampleEnd }, retentionDays: 30 },
    question(asked),
    AbortSignal.timeout(120_000),
  );
/** A condition that all rows fulfil, on a dimension that no roll-up has. */
const fromRequests: Filter = { dimension: "postal_code", values: ["nowhere"], negated: true };

function rowsOf({
  environments = ["production"],
  from = sampleBegin,
  to = sampleEnd,
}: Asked): readonly StoredRequest[] {
  return sample.filter((row) => environments.includes(row.environment) && row.ts >= from && row.ts < to);
}

const exact = Object.keys(measures).filter((name) => !/_p\d\d_/.test(name)) as (Measure &
  keyof ReturnType<typeof figuresOf>)[];
const dimensions = [
  ["api", "api_traffic_15m"],
  ["api_version", "api_traffic_15m"],
  ["application", "application_traffic_1h"],
  ["resource_path", "requests"],
  ["verb", "requests"],
  ["status_code", "requests"],
  ["status_class", "api_traffic_15m"],
  ["violated_policy", "api_traffic_15m"],
  ["disposition", "api_traffic_15m"],
  ["client_ip", "requests"],
  ["continent", "geography_traffic_1h"],
  ["country", "geography_traffic_1h"],
  ["city", "geography_traffic_1h"],
  ["postal_code", "requests"],
  ["timezone", "requests"],
  ["browser", "user_agent_traffic_1h"],
  ["user_agent_type", "user_agent_traffic_1h"],
  ["user_agent_version", "requests"],
  ["hardware_platform", "user_agent_traffic_1h"],
  ["os_family", "user_agent_traffic_1h"],
  ["os_major_version", "requests"],
  ["os_minor_version", "requests"],
  ["os_version", "requests"],
  ["app", "api_traffic_15m"],
  ["replica", "requests"],
  ["gateway", "requests"],
  ["fabric_id", "api_traffic_15m"],
  ["environment", "api_traffic_15m"],
] as const satisfies readonly (readonly [Dimension, string])[];

describe("figures (ANA 2, ANA 3)", () => {
  test("every measure is what adding up the requests one by one gives, weighted", async () => {
    const expected = figuresOf(rowsOf({}));
    for (let at = 0; at < exact.length; at += 8) {
      const some = exact.slice(at, at + 8);
      const { rows } = await ask({ measures: some });
      for (const [index, name] of some.entries()) expect(rows[0]?.values[index], name).toBeCloseTo(expected[name], 6);
    }
  });

  test("of a time that ends now roll-ups tell what they have so far", async () => {
    const hourMs = 3_600_000;
    const hour = Math.ceil(sampleBegin.getTime() / hourMs + 1) * hourMs;
    const lately = { from: sampleBegin, to: new Date(hour + hourMs / 5), groupBy: ["application"] } as const;
    const now = await ask({ ...lately, reachesNow: true });
    const whole = await ask({ ...lately, to: new Date(hour + hourMs), filters: [fromRequests] });
    const cut = await ask(lately);
    expect([now.source, whole.source]).toEqual(["application_traffic_1h", "requests"]);
    expect(now.rows).toEqual(whole.rows);
    expect(cut.rows).not.toEqual(whole.rows); // there are requests in the rest of that hour
  });

  test("percentiles are values of their rank within a 64th, each request as often as it stands for others", async () => {
    const percentiles = ["latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms"] as const;
    const { latenciesMs } = figuresOf(rowsOf({}));
    const { rows } = await ask({ measures: percentiles });
    for (const [index, rank] of [0.5, 0.9, 0.95, 0.99].entries()) {
      const value = rows[0]?.values[index] ?? Number.NaN;
      const exactMs = latenciesMs[Math.ceil(rank * latenciesMs.length) - 1] ?? Number.NaN;
      expect(Math.abs(value / exactMs - 1)).toBeLessThanOrEqual(1 / 64);
    }
  });

  test.each(dimensions)("by %s come from %s and are what the requests are", async (dimension, source) => {
    const { rows, source: told } = await ask({
      groupBy: [dimension],
      measures: ["requests", "latency_mean_ms"],
      environments: ["production", "sandbox"],
    });
    const groups = Map.groupBy(rowsOf({ environments: ["production", "sandbox"] }), (row) => textOf(row, dimension));
    const expected = [...groups].map(([name, members]) => [name, figuresOf(members).requests] as const);
    expect(told).toBe(source);
    expect(new Map(rows.map(({ group, values }) => [group[0], values[0]]))).toEqual(new Map(expected));
    const counts = rows.map(({ values }) => values[0] ?? 0);
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
  });

  test.each(dimensions)("filtered by %s, and by what it is not, are all requests together", async (dimension) => {
    const told = rowsOf({}).map((row) => textOf(row, dimension));
    const value = told.find((text) => text !== "") ?? "";
    const count = async (negated: boolean): Promise<number> =>
      (await ask({ filters: [{ dimension, values: [value], negated }] })).rows[0]?.values[0] ?? Number.NaN;
    const matching = rowsOf({}).filter((row) => textOf(row, dimension) === value);
    expect(await count(false)).toBe(figuresOf(matching).requests);
    expect(await count(true)).toBe(figuresOf(rowsOf({})).requests - figuresOf(matching).requests);
  });

  test.each([
    [
      ["api", "status_class"],
      [
        "requests",
        "client_errors",
        "server_errors",
        "error_rate",
        "violations",
        "latency_max_ms",
        "upstream_mean_ms",
        "gateway_mean_ms",
      ],
    ],
    [
      ["api_version", "violated_policy", "app", "fabric_id"],
      ["requests", "latency_mean_ms", "request_bytes", "response_bytes"],
    ],
    [
      ["application", "disposition"],
      ["requests", "server_errors", "violations", "latency_max_ms", "request_bytes"],
    ],
    [
      ["continent", "country", "city"],
      ["requests", "client_errors", "latency_mean_ms"],
    ],
    [
      ["browser", "os_family", "hardware_platform"],
      ["requests", "client_errors"],
    ],
  ] as const)("a roll-up by %j says what the requests say, also at ends within its rows", async (groupBy, asked) => {
    const times = { from: new Date("2026-03-27T10:07:13.250Z"), to: new Date("2026-03-29T22:52:00.001Z") };
    for (const bucket of [
      undefined,
      { width: "day", zone: "Europe/Berlin" },
      { width: "hour", zone: "America/New_York" },
    ] as const) {
      const same = { groupBy, measures: asked, ...times, ...(bucket ? { bucket } : {}) };
      const rolledUp = await ask(same);
      const single = await ask({ ...same, filters: [fromRequests] });
      expect([rolledUp.source === "requests", single.source]).toEqual([false, "requests"]);
      expect(rounded(rolledUp.rows)).toEqual(rounded(single.rows));
    }
  });

  test.each([
    [["latency_p50_ms", "latency_p99_ms"], "latency_30m"],
    [["requests", "latency_p95_ms", "error_rate", "latency_mean_ms"], "api_traffic_15m"],
  ] as const)(
    "percentiles of a roll-up are those of the requests, also beside sums of another: %j",
    async (asked, source) => {
      for (const bucket of [undefined, { width: "day", zone: "Asia/Kolkata" }] as const) {
        const same = { groupBy: ["api"], measures: asked, ...(bucket ? { bucket } : {}) } as const;
        const [rolledUp, single] = [await ask(same), await ask({ ...same, filters: [fromRequests] })];
        expect([rolledUp.source, single.source]).toEqual([source, "requests"]);
        expect(rounded(rolledUp.rows)).toEqual(rounded(single.rows));
      }
    },
  );

  test.each([
    ["day", "Europe/Berlin"],
    ["day", "Asia/Kathmandu"],
    ["hour", "Asia/Kolkata"],
    ["week", "America/New_York"],
    ["month", "Pacific/Auckland"],
    ["quarter_hour", "UTC"],
  ] as const)("buckets of a %s in %s begin where that zone's clocks say", async (width, zone) => {
    const { rows, buckets } = await ask({ bucket: { width, zone } });
    const begins = buckets.map((begin) => begin.getTime());
    const counts = Map.groupBy(rowsOf({}), (row) => begins.findLast((begin) => begin <= row.ts.getTime()) ?? 0);
    const expected = [...counts].map(([begin, members]) => [begin, figuresOf(members).requests]);
    expect(rows.map(({ bucket, values }) => [bucket?.getTime(), values[0]])).toEqual(
      expected.toSorted(([a = 0], [b = 0]) => a - b),
    );
  });

  test.each([
    ["days, the last one of 25 hours", "2026-10-23T22:00:00Z", "2026-10-25T23:00:00Z"],
    ["days, one of 25 hours between others", "2026-10-23T22:00:00Z", "2026-10-27T23:00:00Z"],
    ["one day", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
  ])("each hour of %s is in the bucket that began last", async (_, from, to) => {
    const range = { from: new Date(from), to: new Date(to) };
    const begins = bucketBegins("day", "Europe/Berlin", range);
    const hours = (range.to.getTime() - range.from.getTime()) / 3_600_000;
    const rows = await analytics.store.query({
      sql: sql`SELECT toDateTime({first:UInt32}) + number * 3600 AS at, ${bucketAt(sql`at`, begins)} AS bucket FROM numbers({hours:UInt32})`,
      parameters: { ...bucketParameters(begins), first: range.from.getTime() / 1_000, hours },
    });
    expect(rows.map(({ bucket }) => Number(bucket) * 1_000)).toEqual(
      Array.from({ length: hours }, (__, hour) =>
        begins.findLast((begin) => begin <= range.from.getTime() + hour * 3_600_000),
      ),
    );
  });

  test("days of a zone at quarter hours come from quarter hours, never from hours", async () => {
    const bucket = { width: "day", zone: "Asia/Kathmandu" } as const;
    expect((await ask({ bucket, groupBy: ["api"] })).source).toBe("api_traffic_15m");
    expect((await ask({ bucket, groupBy: ["country"] })).source).toBe("requests");
  });

  test("of nothing are none, except sums, which are nothing", async () => {
    const { rows } = await ask({
      from: new Date("2025-01-01T00:00:00Z"),
      to: new Date("2025-01-02T00:00:00Z"),
      measures: ["requests", "error_rate", "latency_mean_ms", "latency_p95_ms", "latency_max_ms", "unique_clients"],
    });
    expect(rows[0]?.values).toEqual([0, Number.NaN, Number.NaN, Number.NaN, Number.NaN, 0]);
    expect(
      (
        await ask({
          from: new Date("2025-01-01T00:00:00Z"),
          to: new Date("2025-01-02T00:00:00Z"),
          measures: ["error_rate", "latency_p95_ms"],
        })
      ).rows[0]?.values,
    ).toEqual([Number.NaN, Number.NaN]);
  });

  test("of the largest groups have all of their buckets, and it is said that there are more groups", async () => {
    const asked = { groupBy: ["country"], bucket: { width: "day", zone: "UTC" }, limit: 2 } as const;
    const { rows, isCut } = await ask(asked);
    const totals = [...Map.groupBy(rowsOf({}), (row) => row.country)].map(([name, members]) => ({
      name,
      total: figuresOf(members).requests,
    }));
    const largest = totals
      .toSorted((a, b) => b.total - a.total)
      .slice(0, 2)
      .map(({ name }) => name);
    expect(new Set(rows.map(({ group }) => group[0]))).toEqual(new Set(largest));
    expect(rows).toHaveLength(8);
    expect([
      isCut,
      (await ask({ ...asked, limit: 4 })).isCut,
      (await ask({ groupBy: ["country"], limit: 3 })).isCut,
    ]).toEqual([true, false, true]);
  });

  test("say since when the table that they come from keeps what came", async () => {
    const days = async (groupBy: readonly Dimension[]): Promise<number> =>
      (sampleEnd.getTime() - ((await ask({ groupBy })).keptSince?.getTime() ?? Number.NaN)) / 86_400_000;
    expect([await days(["replica"]), await days(["api"])]).toEqual([30, 400]);
  });

  test("of one environment hold nothing of another", async () => {
    const only = await ask({ groupBy: ["environment"], environments: ["sandbox"] });
    expect(only.rows.map(({ group }) => group[0])).toEqual(["sandbox"]);
    expect((await ask({ environments: ["nowhere"] })).rows[0]?.values[0]).toBe(0);
  });

  test("tell what gateways are known to have lost within the time", async () => {
    const fabricId = "00000000-0000-4000-8000-00000000000a";
    const hour = (of: number): Date => new Date(Date.UTC(2026, 2, 28, of));
    await analytics.insertGap({ fabricId, requests: 70n, from: hour(10), to: hour(12) });
    await analytics.insertGap({
      fabricId: "00000000-0000-4000-8000-0000000000ff",
      requests: 9n,
      from: hour(10),
      to: hour(12),
    });
    const missing = async (from: Date, to: Date) => (await ask({ from, to })).missingRequests;
    expect([await missing(hour(11), hour(20)), await missing(hour(13), hour(20))]).toEqual([70n, 0n]);
  });
});

const injections = [
  "'; DROP TABLE requests; --",
  "') OR 1=1 --",
  "\\' OR 1=1 --",
  "{from:String}",
  "a\n\nDROP TABLE requests;",
  "\0",
  "%",
  "`api`",
];

test.each(injections)("the value %j is a value, whatever it means elsewhere", async (value) => {
  const texts = dimensions
    .map(([name]) => name)
    .filter((name) => !["status_code", "status_class", "disposition", "client_ip"].includes(name));
  for (const dimension of texts.slice(0, 8)) {
    expect((await ask({ filters: [{ dimension, values: [value], negated: false }] })).rows[0]?.values[0]).toBe(0);
  }
  expect((await ask({ environments: [value] })).rows[0]?.values[0]).toBe(0);
  expect((await ask({})).rows[0]?.values[0]).toBe(figuresOf(rowsOf({})).requests);
});

/** Sums of floats in another order differ in their last digits. */
function rounded(
  rows: readonly {
    readonly bucket: Date | undefined;
    readonly group: readonly string[];
    readonly values: readonly number[];
  }[],
) {
  return rows
    .map(({ bucket, group, values }) => [
      bucket?.getTime() ?? 0,
      ...group,
      ...values.map((value) => Number(value.toPrecision(9))),
    ])
    .toSorted((a, b) => a.join().localeCompare(b.join()));
}
