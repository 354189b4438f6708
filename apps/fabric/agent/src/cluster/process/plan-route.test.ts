import { describe, expect, test } from "vitest";
import type { CurrentApp, CurrentFront, CurrentGateway, CurrentReplica, CurrentRoute } from "./current-app.ts";
import { planSteps, type DesiredRollout, type Step } from "./plan-steps.ts";

const now = new Date("2026-11-21T12:00:00Z");
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000);
const ahead = (seconds: number): Date => ago(-seconds);

const unit = {
  createdAt: ago(600),
  phase: "ready",
  hasShim: true,
  hasProcess: true,
  wish: undefined,
  stopGraceMs: 25_000,
  exits: 0,
  lastExit: "",
} as const;

function replica(unitId: string, change: Partial<CurrentReplica> = {}): CurrentReplica {
  return {
    ...unit,
    unitId,
    revision: 2n,
    templateDigest: "new",
    restarts: 0,
    startedAt: ago(29),
    lastReadyAt: ago(28),
    protocol: undefined,
    gates: undefined,
    ...change,
  };
}

const old = (unitId: string): CurrentReplica => replica(unitId, { templateDigest: "old", revision: 1n });
const draining = (unitId: string): CurrentReplica => ({
  ...old(unitId),
  wish: { wish: "drain", since: ago(5), deadlineAt: ahead(60) },
});

function front(change: Partial<CurrentFront> = {}): CurrentFront {
  const served = { port: 18_000, address: "127.0.0.1", status: "listening", detail: "", sequence: 7, draining: {} };
  return { ...unit, ...served, status: "listening", unitId: "front-18000", ...change };
}

function app(replicas: readonly CurrentReplica[], change: Partial<CurrentApp> = {}): CurrentApp {
  const serving = replicas.filter(({ wish }) => wish === undefined);
  return {
    replicas,
    fronts: [front()],
    route: undefined,
    hasSharedPort: false,
    gateway: { hasShim: false, isFailing: false, lastExit: "" },
    endpoints: { sequence: 7, replicaIds: serving.map(({ unitId }) => unitId) },
    ...change,
  };
}

function desired(change: Partial<DesiredRollout> = {}): DesiredRollout {
  return {
    templateDigest: "new",
    replicas: 2,
    port: 18_000,
    server: "front",
    hosts: [],
    maxSurge: 1,
    readyTimeoutMs: 60_000,
    keepStopped: 1,
    ...change,
  };
}

/** Actions of a plan; waiting is left out unless it is all there is. */
function plan(current: CurrentApp, wanted: DesiredRollout): readonly Step["action"][] {
  const actions = planSteps(current, wanted, now).map(({ action }) => action);
  const active = actions.filter((action) => action !== "wait");
  return active.length > 0 ? active : actions;
}

describe("an app whose manifest names APIs", () => {
  const gates = {
    runtimeVersion: undefined,
    level: "flexible",
    levelSource: "runtime version 4.1.0",
    apis: [{ name: "orders", version: "v1", basePath: "/", resources: [] }],
  } as const;
  const route: CurrentRoute = {
    port: 18_000,
    address: "127.0.0.1",
    status: "listening",
    detail: "",
    sequence: 7,
    draining: {},
    hosts: [],
    hasProcess: true,
  };
  const up: CurrentGateway = { hasShim: true, isFailing: false, lastExit: "" };
  const through = { fronts: [], gateway: up, route } as const;
  const wanted = desired({ server: "gateway" });
  const tracked = [replica("a", { gates }), replica("b", { gates })];
  const leaving = front({ wish: { wish: "stop", since: ago(1), deadlineAt: ahead(9) } });

  test.each<readonly [string, CurrentApp, DesiredRollout, readonly Step["action"][]]>([
    ["the gateway first", app([], { fronts: [] }), wanted, ["start_gateway"]],
    ["then its port", app([], { fronts: [], gateway: up }), wanted, ["route_app"]],
    ["waits until it listens", app([], { ...through, route: { ...route, status: "starting" } }), wanted, ["wait"]],
    ["then replicas", app([], through), wanted, ["start_replica", "start_replica"]],
    ["nothing when there", app(tracked, through), wanted, []],
    ["another port is routed anew", app(tracked, through), desired({ server: "gateway", port: 18_001 }), ["route_app"]],
    [
      "other hosts are routed anew, at the same port",
      app(tracked, through),
      desired({ server: "gateway", hosts: [{ host: "api.example.com", path: "/" }] }),
      ["route_app"],
    ],
    [
      "a shim that died comes back first",
      app(tracked, { ...through, gateway: { ...up, hasShim: false } }),
      wanted,
      ["start_gateway"],
    ],
    [
      "a front that served it goes before any replica comes",
      app([old("a"), old("b")], { ...through, fronts: [front()] }),
      wanted,
      ["stop_front"],
    ],
    ["and is waited for", app([old("a"), old("b")], { ...through, fronts: [leaving] }), wanted, ["wait"]],
    [
      "also if it still has the port",
      app([old("a")], { ...through, fronts: [front()], route: { ...route, status: "port_in_use" } }),
      wanted,
      ["stop_front"],
    ],
    [
      "a port that somebody else has",
      app([], { ...through, route: { ...route, status: "port_in_use" } }),
      wanted,
      ["fail_route"],
    ],
    [
      "a gateway that does not start",
      app([], { ...through, gateway: { ...up, isFailing: true }, route: { ...route, status: "starting" } }),
      wanted,
      ["fail_route"],
    ],
    [
      "without APIs now: through the gateway while a tracked replica is left",
      app(
        tracked.map((each) => ({ ...each, templateDigest: "old" })),
        through,
      ),
      desired(),
      ["start_replica"],
    ],
    [
      "the same while a replica that speaks h2c is left",
      app([{ ...old("a"), protocol: "h2c" }, old("b")], through),
      desired(),
      ["start_replica"],
    ],
    ["then a front beside it", app([replica("a"), replica("b")], through), desired(), ["start_front"]],
    [
      "then the gateway is left",
      app([replica("a"), replica("b")], { ...through, fronts: [front()] }),
      desired(),
      ["unroute_app"],
    ],
    ["stopped", app([], through), desired({ server: "gateway", port: undefined, replicas: 0 }), ["unroute_app"]],
    [
      "drained only when the gateway says so",
      app([draining("x"), ...tracked], { ...through, route: { ...route, draining: { x: 1 } } }),
      wanted,
      ["wait"],
    ],
    [
      "and then stopped",
      app([draining("x"), ...tracked], { ...through, endpoints: { sequence: 7, replicaIds: ["a", "b"] } }),
      wanted,
      ["stop_replica"],
    ],
  ])("%s", (_, current, rollout, steps) => {
    expect(plan(current, rollout)).toEqual(steps);
  });
});
