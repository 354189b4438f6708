import { expect, test } from "vitest";
import type { Gate } from "../api/types.ts";
import { agreeingGates, countGates } from "./agreeing-gates.ts";

const gate: Gate = {
  gatewayId: "gateway-0",
  apiName: "orders",
  apiVersion: "v1",
  basePath: "/",
  deployment: "one",
  state: "live",
  blocked: false,
  since: "2026-01-01T00:00:00Z",
  level: "strict",
  levelSource: "app",
  reason: "",
  message: "",
  appliedRevision: 1,
  desiredRevision: 1,
  policies: 2,
  contracts: 3,
  warnings: [],
};
const other: Gate = { ...gate, gatewayId: "gateway-1", since: "2026-01-02T00:00:00Z" };

test("gateways that agree are one line, with all their names, since the last of them stands so (GK 8)", () => {
  expect(agreeingGates([other, gate])).toEqual([
    { ...gate, gatewayId: "gateway-0, gateway-1", since: "2026-01-02T00:00:00Z" },
  ]);
});

test.each<[string, Partial<Gate>]>([
  ["state", { state: "offline", blocked: true }],
  ["revision", { appliedRevision: 2 }],
  ["reason", { reason: "LINK_DOWN" }],
  ["API", { apiName: "billing" }],
])("gateways that differ in %s are a line each (GK 8)", (_what, change) => {
  const differing = { ...other, ...change };
  expect(agreeingGates([gate, differing])).toEqual([gate, differing]);
});

test("an API is open where no gateway blocks it, and counts once", () => {
  expect(countGates([gate, other])).toEqual({ open: 1, all: 1 });
  expect(countGates([gate, { ...other, blocked: true }])).toEqual({ open: 0, all: 1 });
  expect(countGates([gate, { ...other, apiName: "billing" }])).toEqual({ open: 2, all: 2 });
});
