import { expect, test } from "vitest";
import type { OwnMetric } from "../api/own-metrics-types.ts";
import { ownMetricsColumns } from "./own-metrics-columns.ts";
import { formatTable } from "./table.ts";

const aMetric = (parts: Partial<OwnMetric>): OwnMetric => ({
  fabric: "plant-7",
  fabricId: "f-1",
  name: "orders_placed_total",
  kind: "counter",
  method: "",
  statusClass: "",
  points: [
    { at: "2026-01-01T00:00:00Z", value: 2, count: 0 },
    { at: "2026-01-01T00:01:00Z", value: 4, count: 0 },
  ],
  ...parts,
});

test("an app's own metrics are a line each: a counter's sum, a gauge's last value, the mean of what was observed (MON)", () => {
  const observed = [{ at: "2026-01-01T00:00:00Z", value: 0.5, count: 4 }];
  const metrics = [
    aMetric({}),
    aMetric({ name: "queue_depth", kind: "gauge" }),
    aMetric({ name: "took_seconds", kind: "distribution", method: "GET", statusClass: "2xx", points: observed }),
  ];
  expect(formatTable(ownMetricsColumns(metrics), metrics, 100).split("\n")).toEqual([
    "METRIC               OF       VALUE           OVER TIME",
    "orders_placed_total  -        +6              ▅█",
    "queue_depth          -        4               ▅█",
    "took_seconds         GET 2xx  +4, mean 0.125  █",
  ]);
});
