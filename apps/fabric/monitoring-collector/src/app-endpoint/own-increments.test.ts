import { expect, test } from "vitest";
import { ownIncrements, trafficOf, type OwnBaseline } from "./own-increments.ts";
import type { OwnSeries } from "./own-series.ts";

const identity = { appId: "a", app: "orders", environment: "prod", replicaId: "r", version: "1" };
const counter = (value: number, of: Partial<OwnSeries> = {}): OwnSeries => ({
  name: "http_requests_total",
  kind: "counter",
  method: "",
  status: "",
  value,
  count: 0,
  ...of,
});

/** What the last of these readings, one a second, adds; `undefined`: no answer. */
function last(readings: readonly (readonly OwnSeries[] | undefined)[], startedAtMs = -60_000) {
  let before: { readonly atMs: number; readonly own: OwnBaseline } | undefined;
  let found: readonly OwnSeries[] = [];
  for (const [second, reading] of readings.entries()) {
    const read = new Map(reading === undefined ? [] : [["a/r", reading]]);
    const measured = ownIncrements(before, { replicas: [{ identity, startedAtMs }], read });
    before = { atMs: second * 1_000, own: measured.baseline };
    found = measured.byReplica.get("a/r") ?? [];
  }
  return found.map(({ status, value, count }) => [status, value, count]);
}

test("each request that an app counts is told of once, also over a reading that failed", () => {
  expect(last([[counter(100)], [counter(130)]])).toEqual([["", 30, 0]]);
  expect(last([[counter(100)], undefined, [counter(130)]])).toEqual([["", 30, 0]]);
  expect(last([[counter(100)], [counter(130)], [counter(130)]])).toEqual([]);
});

test("what an app counted before it was first read is nobody's; of one that has just begun it is all", () => {
  expect(last([[counter(100)]])).toEqual([]);
  expect(last([undefined, [counter(100)]], 500)).toEqual([["", 100, 0]]);
  expect(last([[counter(100)], [counter(100), counter(2, { status: "5xx" })]])).toEqual([["5xx", 2, 0]]);
});

test("a counter that went back began at nothing: no count is negative", () => {
  expect(last([[counter(100)], [counter(7)]])).toEqual([["", 7, 0]]);
});

test("gauges are told as they are", () => {
  const gauge = (value: number): OwnSeries => counter(value, { name: "process_open_fds", kind: "gauge" });
  expect(last([[gauge(5)]])).toEqual([["", 5, 0]]);
  expect(last([[gauge(5)], [gauge(3)]])).toEqual([["", 3, 0]]);
});

test("messages, response time and errors come from the app itself where nobody else counts (MON)", () => {
  const of = (status: string, count: number, value: number): OwnSeries =>
    counter(value, { name: "http_server_request_duration_seconds", kind: "histogram", status, count });
  expect(trafficOf([of("2xx", 8, 0.4), of("5xx", 2, 0.1), counter(99)])).toEqual({
    requests: 10,
    errors: 2,
    durationMs: 500,
  });
  expect(trafficOf([counter(99)])).toBeUndefined();
});
