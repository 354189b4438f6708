import { expect, test } from "vitest";
import { sumOf } from "./metrics.ts";

const text = [
  "# HELP drawbridge_agent_renewals_total certificates renewed",
  'drawbridge_agent_renewals_total{purpose="tunnel",result="renewed"} 3',
  'drawbridge_agent_renewals_total{purpose="monitoring",result="renewed"} 2',
  'drawbridge_agent_renewals_total{purpose="tunnel",result="failed"} 1',
  "drawbridge_agent_tunnel_connected 1",
].join("\n");

test("a metric is the sum over the label sets that were asked for", () => {
  expect(sumOf(text, "drawbridge_agent_renewals_total", { result: "renewed" })).toBe(5);
  expect(sumOf(text, "drawbridge_agent_renewals_total", { purpose: "tunnel", result: "failed" })).toBe(1);
  expect(sumOf(text, "drawbridge_agent_tunnel_connected")).toBe(1);
});

test("a metric that is not there is not 0", () => {
  expect(sumOf(text, "drawbridge_agent_tunnel")).toBeUndefined();
  expect(sumOf(text, "drawbridge_agent_renewals_total", { purpose: "gateway" })).toBeUndefined();
});
