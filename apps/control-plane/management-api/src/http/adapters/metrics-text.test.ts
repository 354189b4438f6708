import type { AppMetrics } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { expect, test } from "vitest";
import { metricsText } from "./metrics-text.ts";

const point = {
  time: new Date(0),
  cpuMillicores: Number.NaN,
  memoryUsedBytes: 1_000n,
  memoryTotalBytes: 0n,
  messages: 30n,
  responseTimeMs: 20,
  errors: 3n,
  countedSeconds: 15,
};
const of = (replica: string, current: typeof point | undefined) => ({ replica, metrics: { current, points: [] } });
const app: AppMetrics = {
  environment: "production",
  app: "orders",
  fabricId: "f",
  total: undefined,
  replicas: [of("r1", point), of('q"\\\n', point), of("gone", undefined)],
};

test("current values are gauges by replica; what is not known has no line, and labels are escaped (MON)", () => {
  const lines = metricsText([{ app, fabric: "plant-7" }]).split("\n");
  const r1 = '{environment="production",app="orders",fabric="plant-7",replica="r1"}';
  expect(lines.filter((line) => line.includes(r1))).toEqual([
    `drawbridge_app_memory_used_bytes${r1} 1000`,
    `drawbridge_app_messages_per_second${r1} 2`,
    `drawbridge_app_errors_per_second${r1} 0.2`,
    `drawbridge_app_response_time_seconds${r1} 0.02`,
  ]);
  expect(lines.filter((line) => line.includes(String.raw`replica="q\"\\\n"`))).toHaveLength(4);
  expect(lines.filter((line) => line.includes("gone"))).toEqual([]);
  expect(lines.slice(-2)).toEqual(["# EOF", ""]);
});
