import type { QueryRequest } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { expect, test } from "vitest";
import { buildQuery, type Question } from "./build-query.ts";
import { choosePlan } from "./plan.ts";
import { questionFrom } from "./read-request.ts";
import { checkSelection, type Filter } from "./selection.ts";

const from = new Date("2026-01-01T00:00:00Z");
const to = new Date("2026-01-08T00:00:00Z");
const selection = (filters: readonly Filter[] = []) =>
  checkSelection({ environments: ["production"], from, to, filters });
const aQuestion = (asked: Partial<Question>): Question => ({
  selection: selection(),
  reachesNow: false,
  begins: [],
  groupBy: [],
  measures: ["requests"],
  limit: 10,
  ...asked,
});

test("what is asked for is in the parameters, never in the statement", () => {
  const canary = "canary'; DROP TABLE requests";
  const asked = (value: string) =>
    buildQuery(
      aQuestion({
        selection: checkSelection({
          environments: [value],
          from,
          to,
          filters: [{ dimension: "api", values: [value], negated: true }],
        }),
        groupBy: ["application"],
      }),
    );
  expect(asked(canary).sql).toEqual(asked("orders").sql);
  expect(asked(canary).parameters).toMatchObject({ environments: [canary], filter0: [canary], limit: 10 });
});

test("every parameter of the statement is bound, and nothing else", () => {
  const { parameters } = buildQuery(
    aQuestion({
      groupBy: ["api", "status_class"],
      begins: [from.getTime()],
      measures: ["latency_p95_ms", "error_rate"],
    }),
  );
  expect(Object.keys(parameters).toSorted()).toEqual(
    ["begins", "environments", "limit", "middle_from", "middle_to"].toSorted(),
  );
  const cut = { environments: ["production"], from: new Date(from.getTime() + 1), to, filters: [] };
  const days = [0, 1, 2].map((day) => from.getTime() + day * 86_400_000);
  expect(
    Object.keys(buildQuery(aQuestion({ selection: checkSelection(cut), begins: days })).parameters).toSorted(),
  ).toEqual(["begin", "environments", "from", "last", "middle_from", "middle_to", "to", "width"]);
});

const sources = (asked: Partial<Question>) => buildQuery(aQuestion(asked)).source;

test("a roll-up is taken where it has every dimension and sum", () => {
  expect(sources({ groupBy: ["api"], measures: ["latency_p95_ms"] })).toBe("latency_30m");
  expect(sources({ groupBy: ["application"], measures: ["latency_max_ms"] })).toBe("application_traffic_1h");
  expect(sources({ groupBy: ["country"] })).toBe("geography_traffic_1h");
  expect(
    sources({
      groupBy: ["browser"],
      selection: selection([{ dimension: "os_family", values: ["Linux"], negated: false }]),
    }),
  ).toBe("user_agent_traffic_1h");
});

test("single requests are asked where no roll-up has it all", () => {
  expect(sources({ groupBy: ["application"], measures: ["latency_p95_ms"] })).toBe("requests");
  expect(sources({ groupBy: ["country"], measures: ["violations"] })).toBe("requests");
  expect(sources({ groupBy: ["country", "browser"] })).toBe("requests");
  expect(sources({ measures: ["unique_clients"] })).toBe("requests");
  expect(sources({ selection: selection([{ dimension: "replica", values: ["r-0"], negated: false }]) })).toBe(
    "requests",
  );
});

test("two roll-ups share out the sums that neither has all of", () => {
  const needs = { dimensions: new Set(["api"] as const), range: { from, to }, reachesNow: false, begins: [] };
  const shared = choosePlan({ ...needs, sums: new Set(["requests", "latency", "server_errors"]) });
  expect(shared).toMatchObject({
    kind: "roll-ups",
    shares: [
      { rollUp: { name: "api_traffic_15m" }, sums: new Set(["requests", "server_errors"]) },
      { rollUp: { name: "latency_30m" }, sums: new Set(["latency"]) },
    ],
  });
  const byPolicy = { ...needs, dimensions: new Set(["violated_policy"] as const) };
  expect(choosePlan({ ...byPolicy, sums: new Set(["requests", "latency"]) }).kind).toBe("requests");
});

const plan = (
  range: { from: string; to: string },
  { begins = [], reachesNow = false }: { begins?: readonly string[]; reachesNow?: boolean } = {},
) =>
  choosePlan({
    dimensions: new Set(["country"]),
    sums: new Set(["requests"]),
    range: { from: new Date(range.from), to: new Date(range.to) },
    reachesNow,
    begins: begins.map((begin) => Date.parse(begin)),
  });

test("a roll-up answers for whole rows, single requests for what is left at both ends", () => {
  expect(plan({ from: "2026-01-01T00:10:00Z", to: "2026-01-01T05:59:59Z" })).toMatchObject({
    kind: "roll-ups",
    from: Date.parse("2026-01-01T01:00:00Z"),
    to: Date.parse("2026-01-01T05:00:00Z"),
  });
  expect(plan({ from: "2026-01-01T00:10:00Z", to: "2026-01-01T01:59:00Z" }).kind).toBe("requests");
});

test("of a time that ends now a roll-up answers for what it has so far, single requests only for the begin", () => {
  const lately = { from: "2026-01-01T00:10:00Z", to: "2026-01-01T05:10:00Z" };
  expect(plan(lately, { reachesNow: true })).toMatchObject({ to: Date.parse("2026-01-01T06:00:00Z") });
  const begins = ["2026-01-01T05:00:00Z", "2026-01-01T05:05:00Z"];
  expect(plan(lately, { reachesNow: true, begins }).kind).toBe("requests");
});

test("a time has ended now if it ended in the last five seconds", () => {
  const request = (end: string): QueryRequest => ({
    selection: { environments: ["production"], from, to: new Date(end), filters: [] },
    measures: [1],
    groupBy: [],
    bucket: 0,
    timeZone: "",
    limit: 0,
  });
  const reachesNow = (end: string) => questionFrom(request(end), new Date("2026-01-08T00:00:10Z")).reachesNow;
  expect(["2026-01-08T00:00:04.999Z", "2026-01-08T00:00:05Z", "2026-01-09T00:00:00Z"].map(reachesNow)).toEqual([
    false,
    true,
    true,
  ]);
});

test("no bucket may begin within a row of a roll-up, but one may before or behind its rows", () => {
  const day = { from: "2026-01-01T00:10:00Z", to: "2026-01-03T00:00:00Z" };
  expect(plan(day, { begins: ["2025-12-31T18:30:00Z", "2026-01-01T18:30:00Z"] }).kind).toBe("requests");
  expect(plan(day, { begins: ["2026-01-01T00:30:00Z", "2026-01-02T00:00:00Z"] }).kind).toBe("roll-ups");
});

const check = (asked: Partial<Parameters<typeof checkSelection>[0]>) => () =>
  checkSelection({ environments: ["production"], from, to, filters: [], ...asked });
const filtered = (dimension: Filter["dimension"], ...values: string[]) =>
  check({ filters: [{ dimension, values, negated: false }] });

test.each([
  ["selection.environments", check({ environments: [] })],
  ["selection.from", check({ from: undefined })],
  ["selection.from", check({ from: new Date("1999-01-01") })],
  ["selection.from", check({ from: new Date(Number.NaN) })],
  ["selection.to", check({ to: from })],
  ["selection.to", check({ to: new Date("9999-01-01") })],
  [
    "selection.filters",
    check({ filters: Array.from({ length: 11 }, () => ({ dimension: "api", values: ["a"], negated: false })) }),
  ],
  ["selection.filters.0.values", filtered("api")],
  ["selection.filters.0.values", filtered("api", ...Array<string>(101).fill("a"))],
  ["selection.filters.0.values", filtered("api", "a".repeat(1_025))],
  ["selection.filters.0.values", filtered("status_code", "200 OR 1")],
  ["selection.filters.0.values", filtered("status_code", "1e2")],
  ["selection.filters.0.values", filtered("status_class", "5XX")],
  ["selection.filters.0.values", filtered("disposition", "2")],
  ["selection.filters.0.values", filtered("client_ip", "192.0.2.1'")],
  ["selection.filters.0.values", filtered("client_ip", "fe80::1%eth0")],
])("%s is named when it is wrong", (field, wrong) => {
  expect(wrong).toThrow(
    expect.objectContaining({
      code: "ANALYTICS_QUERY_INVALID",
      details: { [`field:${field}`]: expect.any(String) as string },
    }),
  );
});
