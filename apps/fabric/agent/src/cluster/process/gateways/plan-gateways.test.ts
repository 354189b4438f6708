import { expect, test } from "vitest";
import { planGateways, type CurrentGatewayUnit } from "./plan-gateways.ts";

const now = new Date(1_000_000);

function aUnit(place: number, change: Partial<CurrentGatewayUnit> = {}): CurrentGatewayUnit {
  return {
    unitId: `gateway-${place}`,
    template: "new",
    phase: "ready",
    hasShim: true,
    hasProcess: true,
    wish: undefined,
    exits: 0,
    lastExit: "",
    isServing: true,
    ...change,
  };
}

const old = { template: "old" } as const;
const leaving = { wish: { wish: "stop", since: now, deadlineAt: now } } as const;
const over = { hasShim: false, hasProcess: false, phase: "stopped" } as const;
const isStarting = { isServing: false } as const;

function plan(units: readonly CurrentGatewayUnit[], replicas = 2, at = now): readonly string[] {
  return planGateways(units, { replicas, template: "new" }, at).map(({ action, unitId }) => `${action} ${unitId}`);
}

test.each<[string, readonly CurrentGatewayUnit[], readonly string[]]>([
  ["none runs: all are started at once", [], ["start gateway-0", "start gateway-1"]],
  ["all run: nothing", [aUnit(0), aUnit(1)], []],
  ["one is missing: it is started in the free place", [aUnit(1)], ["start gateway-0"]],
  ["one has ended in order: its place is free", [aUnit(0), aUnit(1, over)], ["start gateway-1"]],
  ["one fell: its shim starts it", [aUnit(0), aUnit(1, { hasProcess: false, phase: "crashed", isServing: false })], []],
  ["a shim died, and its gateway lives", [aUnit(0), aUnit(1, { hasShim: false })], ["recover gateway-1"]],
  ["both died", [aUnit(0), aUnit(1, { hasShim: false, hasProcess: false })], ["recover gateway-1"]],
  ["too many run: the last goes", [aUnit(0), aUnit(1), aUnit(2)], ["retire gateway-2"]],
  [
    "too many run: one that does not serve goes first",
    [aUnit(0, isStarting), aUnit(1), aUnit(2)],
    ["retire gateway-0"],
  ],
  ["all are old: one more is started", [aUnit(0, old), aUnit(1, old)], ["start gateway-2"]],
  ["the successor does not serve yet: nobody goes", [aUnit(0, old), aUnit(1, old), aUnit(2, isStarting)], []],
  ["the successor serves: one old one goes", [aUnit(0, old), aUnit(1, old), aUnit(2)], ["retire gateway-1"]],
  [
    "one of two is replaced: the next one is started, in no place that is still used",
    [aUnit(0, old), aUnit(1, { ...old, ...leaving }), aUnit(2)],
    ["start gateway-3"],
  ],
  ["the last old one goes", [aUnit(0, old), aUnit(2), aUnit(3)], ["retire gateway-0"]],
  [
    "an old one that does not serve goes first",
    [aUnit(0, { ...old, isServing: false }), aUnit(1, old), aUnit(2)],
    ["retire gateway-0"],
  ],
  ["one on its way out is not sent again", [aUnit(0), aUnit(1), aUnit(2, leaving)], []],
  [
    "one on its way out without a shim is seen to",
    [aUnit(0), aUnit(1), aUnit(2, { ...leaving, hasShim: false })],
    ["recover gateway-2"],
  ],
])("%s", (_when, units, steps) => {
  expect(plan(units)).toEqual(steps);
});

test("the only gateway is replaced by a second one, and goes when that serves", () => {
  expect(plan([aUnit(0, old)], 1)).toEqual(["start gateway-1"]);
  expect(plan([aUnit(0, old), aUnit(1, isStarting)], 1)).toEqual([]);
  expect(plan([aUnit(0, old), aUnit(1)], 1)).toEqual(["retire gateway-0"]);
});

test("a replacement that is no longer wanted, since the settings are as they were, goes again", () => {
  expect(plan([aUnit(0), aUnit(1, { ...old, ...isStarting })], 1)).toEqual(["retire gateway-1"]);
});

test("more serve already than are wanted: all old ones go at once", () => {
  const units = [aUnit(0, old), aUnit(1, old), aUnit(2, old), aUnit(3), aUnit(4), aUnit(5)];
  expect(plan(units, 1)).toEqual(["retire gateway-0", "retire gateway-1", "retire gateway-2"]);
});

test("what hangs long after its deadline is killed", () => {
  const units = [aUnit(0), aUnit(1), aUnit(2, leaving)];
  expect(plan(units, 2, new Date(now.getTime() + 10_000))).toEqual([]);
  expect(plan(units, 2, new Date(now.getTime() + 10_001))).toEqual(["kill gateway-2"]);
});

test("fewer are wanted while they are replaced: never fewer than wanted serve", () => {
  expect(plan([aUnit(0, old), aUnit(1, old), aUnit(2, old)], 1)).toEqual(["retire gateway-1", "retire gateway-2"]);
});
