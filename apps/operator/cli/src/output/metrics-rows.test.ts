import { expect, test } from "vitest";
import type { AppMetrics, MetricPoint } from "../api/metrics-types.ts";
import { metricsColumns, metricsRows } from "./metrics-rows.ts";
import { formatTable } from "./table.ts";

const mib = 1_048_576;
const aPoint = (parts: Partial<MetricPoint> = {}): MetricPoint => ({
  at: "2026-01-01T00:00:00Z",
  cpuMillicores: 120,
  memoryUsedBytes: 256 * mib,
  memoryTotalBytes: 1_024 * mib,
  messages: 60,
  messagesPerMinute: 60,
  responseTimeMs: 12,
  errors: 0,
  countedSeconds: 60,
  ...parts,
});
const anApp = (parts: Partial<AppMetrics> = {}): AppMetrics => ({
  environment: "production",
  app: "orders",
  fabric: "plant-7",
  fabricId: "f-1",
  total: {
    current: aPoint({ errors: 1 }),
    points: [
      aPoint(),
      aPoint({ cpuMillicores: 240, messages: 180, messagesPerMinute: 180, responseTimeMs: 20, errors: 3 }),
    ],
  },
  replicas: [],
  ...parts,
});
const shown = (apps: readonly AppMetrics[]): readonly string[] => {
  const rows = metricsRows(apps);
  return formatTable(metricsColumns(rows), rows, 100).split("\n");
};

test("an app is one line: each figure now and in the past hour, with bars (MON)", () => {
  expect(shown([anApp()])).toEqual([
    "APP     CPU           MEMORY        MSG/MIN    RESPONSE  ERRORS",
    "orders  0.12/0.18 ▅█  256/1024 MiB  60/120 ▃█  12/18 ms  1/3",
  ]);
});

test("what is not known is a dash, and what is not measured has no bars", () => {
  const unknown = anApp({ total: { current: null, points: [] } });
  const halfKnown = aPoint({ cpuMillicores: null, memoryTotalBytes: 0, responseTimeMs: null, messagesPerMinute: null });
  const half = anApp({ app: "half", total: { current: halfKnown, points: [] } });
  expect(shown([unknown, half]).slice(1)).toEqual([
    "orders  -    -        -        -         -",
    "half    -    256 MiB  -        -         0/-",
  ]);
});

test("replicas stand below their app, and fabrics are named where there are several", () => {
  const replicas = [{ replicaId: "r1", series: anApp().total }];
  const lines = shown([anApp({ replicas }), anApp({ app: "billing", fabric: "plant-8" })]);
  expect(
    lines.map((line) =>
      line
        .split(/ {2,}/)
        .filter((cell) => cell !== "")
        .slice(0, 2),
    ),
  ).toEqual([
    ["APP", "FABRIC"],
    ["orders", "plant-7"],
    ["r1", "0.12/0.18 ▅█"],
    ["billing", "plant-8"],
  ]);
});

test("lines of large figures fit a hundred columns", () => {
  const large = aPoint({
    cpuMillicores: 63_990,
    messagesPerMinute: 2_345_678,
    messages: 2_345_678,
    responseTimeMs: 29_999,
    errors: 999_999,
  });
  const total = { current: large, points: Array.from({ length: 60 }, () => large) };
  const lines = shown([anApp({ app: "an-app-with-quite-a-long-name", total })]);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
});
