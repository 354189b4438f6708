import { describe, expect, test } from "vitest";
import type { CurrentApp, CurrentFront, CurrentReplica } from "./current-app.ts";
import { planSteps, type DesiredRollout } from "./plan-steps.ts";

const now = new Date("2026-11-21T12:00:00Z");
const ahead = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
const ago = (seconds: number): Date => ahead(-seconds);
const none = { route: undefined, hasSharedPort: false, gateway: { hasShim: false, isFailing: false, lastExit: "" } };

function replica(unitId: string, change: Partial<CurrentReplica> = {}): CurrentReplica {
  return {
    unitId,
    createdAt: ago(30),
    phase: "ready",
    hasShim: true,
    hasProcess: true,
    wish: undefined,
    stopGraceMs: 25_000,
    exits: 0,
    lastExit: "",
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

const old = (unitId: string, change: Partial<CurrentReplica> = {}): CurrentReplica =>
  replica(unitId, { templateDigest: "old", revision: 1n, createdAt: ago(600), ...change });
const starting = (unitId: string, change: Partial<CurrentReplica> = {}): CurrentReplica =>
  replica(unitId, { phase: "starting", lastReadyAt: undefined, createdAt: ago(2), ...change });
const draining = (unitId: string, deadlineAt: Date, change: Partial<CurrentReplica> = {}): CurrentReplica =>
  old(unitId, { wish: { wish: "drain", since: ago(5), deadlineAt }, ...change });
const stopping = (unitId: string, deadlineAt: Date, change: Partial<CurrentReplica> = {}): CurrentReplica =>
  old(unitId, { wish: { wish: "stop", since: ago(5), deadlineAt }, ...change });
const stopped = (unitId: string, change: Partial<CurrentReplica> = {}): CurrentReplica =>
  replica(unitId, { phase: "stopped", hasShim: false, hasProcess: false, ...change });
const dead = { hasShim: false, hasProcess: false } as const;

function front(change: Partial<CurrentFront> = {}): CurrentFront {
  return {
    unitId: "front-18000",
    createdAt: ago(600),
    phase: "ready",
    hasShim: true,
    hasProcess: true,
    wish: undefined,
    stopGraceMs: 25_000,
    exits: 0,
    lastExit: "",
    port: 18_000,
    address: "127.0.0.1",
    status: "listening",
    detail: "",
    sequence: 7,
    draining: {},
    ...change,
  };
}

function app(replicas: readonly CurrentReplica[], change: Partial<CurrentApp> = {}): CurrentApp {
  const serving = replicas.filter(({ wish, phase }) => wish === undefined && phase !== "stopped");
  return {
    replicas,
    fronts: [front()],
    ...none,
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

/** A plan in short: "drain a", "start", "publish a b". Waiting is left out unless it is all there is. */
function plan(current: CurrentApp, wanted: DesiredRollout): readonly string[] {
  const steps = planSteps(current, wanted, now);
  const active = steps.filter((step) => step.action !== "wait");
  if (steps.length > 0 && active.length === 0) return ["wait"];
  return active.map((step) => {
    switch (step.action) {
      case "start_replica":
        return "start";
      case "drain_replica":
        return `drain ${step.replicaId}`;
      case "stop_replica":
        return `stop ${step.replicaId}`;
      case "publish_endpoints":
        return `publish ${step.replicaIds.join(" ")}`.trimEnd();
      case "recover_unit":
      case "kill_unit":
      case "discard_unit":
        return `${step.action.replace("_unit", "")} ${step.unitId}`;
      case "start_front":
        return `front ${step.port}`;
      case "stop_front":
        return `stop ${step.unitId}`;
      case "fail_front":
        return `fail ${step.why.kind} ${step.port}`;
      case "fail_rollout":
        return `fail ${step.why.kind} ${step.replicaIds.join(" ")}`;
      // plan-route.test.ts has their rules
      case "start_gateway":
      case "route_app":
      case "unroute_app":
      case "fail_route":
        return step.action;
    }
  });
}

describe("planSteps", () => {
  test.each<[rule: string, current: CurrentApp, wanted: DesiredRollout, steps: readonly string[]]>([
    ["begins with the port", app([], { fronts: [] }), desired(), ["front 18000"]],
    [
      "waits for the port before it starts anything",
      app([], { fronts: [front({ status: "starting" })] }),
      desired(),
      ["wait"],
    ],
    ["starts all replicas of a first version at once", app([]), desired({ replicas: 3 }), ["start", "start", "start"]],
    ["waits for new replicas", app([starting("a"), starting("b")]), desired(), ["wait"]],
    ["has nothing to do when all are ready", app([replica("a"), replica("b")]), desired(), []],
    [
      "leaves a degraded app to its shims",
      app([replica("a"), replica("b", { phase: "crashed", exits: 9 })]),
      desired(),
      [],
    ],
    ["adds a replica as the new one it is", app([replica("a")]), desired(), ["start"]],

    ["starts no more than max surge beside the old ones", app([old("a"), old("b")]), desired(), ["start"]],
    ["starts two where the surge allows two", app([old("a"), old("b")]), desired({ maxSurge: 2 }), ["start", "start"]],
    ["takes no old one away before a new one is ready", app([old("a"), old("b"), starting("c")]), desired(), ["wait"]],
    [
      "drains one old replica for each new one that is ready",
      app([old("a"), old("b"), replica("c")]),
      desired(),
      ["drain b", "publish a c"],
    ],
    [
      "starts the next new one when the drained one does not count any more",
      app([old("a"), draining("b", ahead(5), { hasProcess: true }), replica("c")], {
        fronts: [front({ draining: { b: 1 } })],
      }),
      desired(),
      ["start"],
    ],
    [
      "drains every old one when the new version is complete",
      app([old("a"), replica("c"), replica("d")]),
      desired(),
      ["drain a", "publish c d"],
    ],
    [
      "lets an old one that does not answer go as soon as the new version has shown that it can",
      app([old("a"), old("b", { phase: "unready" }), replica("c")]),
      desired({ replicas: 3 }),
      ["drain b", "publish a c", "start"],
    ],
    [
      "keeps an old one that does not answer while the new version has shown nothing",
      app([old("a", { phase: "unready" }), starting("b")]),
      desired({ replicas: 1 }),
      ["wait"],
    ],
    [
      "makes room where only silent old ones fill it",
      app([old("a", { phase: "crashed" }), old("b", { phase: "crashed" })]),
      desired({ replicas: 1 }),
      ["drain a", "drain b", "publish"],
    ],

    [
      "scales down the youngest first",
      app([replica("a", { createdAt: ago(99) }), replica("b"), replica("c", { createdAt: ago(1) })]),
      desired(),
      ["drain c", "publish a b"],
    ],
    [
      "scales down those that do not answer before those that do",
      app([replica("a"), replica("b", { phase: "unready" }), replica("c")]),
      desired(),
      ["drain b", "publish a c"],
    ],
    [
      "updates and scales down at once without falling below the wish",
      app([old("a"), old("b"), old("c"), old("d")]),
      desired(),
      ["drain c", "drain d", "publish a b"],
    ],

    [
      "stops a drained one once the front says it is quiet",
      app([replica("a"), replica("b"), draining("c", ahead(5))]),
      desired(),
      ["stop c"],
    ],
    [
      "waits while it has requests",
      app([replica("a"), replica("b"), draining("c", ahead(5))], { fronts: [front({ draining: { c: 2 } })] }),
      desired(),
      ["wait"],
    ],
    [
      "waits while a front routes by older endpoints",
      app([replica("a"), replica("b"), draining("c", ahead(5))], { fronts: [front({ sequence: 6 })] }),
      desired(),
      ["wait"],
    ],
    [
      "stops it with requests when its time is up",
      app([replica("a"), replica("b"), draining("c", ago(0))], { fronts: [front({ draining: { c: 2 } })] }),
      desired(),
      ["stop c"],
    ],
    [
      "waits for no front that is dead",
      app([replica("a"), replica("b"), draining("c", ahead(5))], {
        fronts: [front({ hasProcess: false, sequence: 0 })],
      }),
      desired(),
      ["stop c"],
    ],
    [
      "publishes first where the agent died in between",
      app([replica("a"), replica("b"), draining("c", ahead(5))], {
        endpoints: { sequence: 7, replicaIds: ["a", "b", "c"] },
      }),
      desired(),
      ["publish a b"],
    ],
    [
      "repeats a stop that its shim has not taken up",
      app([replica("a"), replica("b"), stopping("c", ahead(5))]),
      desired(),
      ["stop c"],
    ],
    [
      "waits for one that is ending",
      app([replica("a"), replica("b"), stopping("c", ahead(5), { phase: "draining" })]),
      desired(),
      ["wait"],
    ],
    [
      "kills one that hangs long after its time",
      app([replica("a"), replica("b"), stopping("c", ago(11), { phase: "draining" })]),
      desired(),
      ["kill c"],
    ],

    [
      "stops everything of a stopped app and keeps the front until the last request has ended",
      app([replica("a"), old("b")]),
      desired({ replicas: 0, port: undefined }),
      ["drain a", "drain b", "publish"],
    ],
    ["then stops the front", app([stopped("a")]), desired({ replicas: 0, port: undefined }), ["stop front-18000"]],
    ["keeps the front of an app that is scaled to nothing", app([stopped("a")]), desired({ replicas: 0 }), []],
    ["starts a stopped app anew", app([stopped("a")], { fronts: [] }), desired(), ["front 18000"]],

    [
      "puts a new shim over a process whose shim died",
      app([replica("a", { hasShim: false }), replica("b")]),
      desired(),
      ["recover a"],
    ],
    [
      "starts a replica again whose shim and process died",
      app([replica("a", dead), replica("b")]),
      desired(),
      ["recover a"],
    ],
    [
      "watches an old one whose shim died before it goes on",
      app([old("a", { hasShim: false }), replica("b")]),
      desired(),
      ["recover a"],
    ],
    [
      "gives an old one up that died altogether",
      app([old("a", dead), replica("b"), replica("c")]),
      desired(),
      ["publish b c"],
    ],
    [
      "ends one in order whose shim died while it was stopping",
      app([replica("a"), replica("b"), stopping("c", ahead(5), { hasShim: false })]),
      desired(),
      ["recover c"],
    ],
    [
      "puts a new shim over a front",
      app([replica("a"), replica("b")], { fronts: [front({ hasShim: false })] }),
      desired(),
      ["recover front-18000"],
    ],

    [
      "keeps the youngest stopped ones for their logs",
      app([replica("a"), replica("b"), stopped("c"), stopped("d", { createdAt: ago(1) })]),
      desired(),
      ["discard c"],
    ],
    [
      "moves to a new port before anything else",
      app([replica("a"), replica("b")]),
      desired({ port: 19_000 }),
      ["front 19000"],
    ],
    [
      "leaves the old port last",
      app([replica("a"), replica("b")], { fronts: [front(), front({ unitId: "front-19000", port: 19_000 })] }),
      desired({ port: 19_000 }),
      ["stop front-18000"],
    ],
    [
      "takes a port back that it was leaving",
      app([replica("a")], { fronts: [front({ wish: { wish: "stop", since: ago(1), deadlineAt: ahead(9) } })] }),
      desired({ replicas: 1 }),
      ["kill front-18000"],
    ],
  ])("%s", (_rule, current, wanted, steps) => {
    expect(plan(current, wanted)).toEqual(steps);
  });

  test.each<[rule: string, current: CurrentApp, wanted: DesiredRollout, steps: readonly string[]]>([
    [
      "a new version that ended three times fails and takes only the new replicas with it",
      app([old("a"), starting("b", { phase: "crashed", exits: 3 })]),
      desired(),
      ["fail crash_loop b"],
    ],
    [
      "two ends may be bad luck",
      app([old("a"), old("c"), starting("b", { phase: "crashed", exits: 2 })]),
      desired(),
      ["wait"],
    ],
    [
      "a new version that is not ready in time fails",
      app([old("a"), starting("b", { createdAt: ago(61) })]),
      desired(),
      ["fail not_ready b"],
    ],
    [
      "one that ended meanwhile is a crash loop",
      app([starting("b", { createdAt: ago(61), exits: 1 })]),
      desired(),
      ["fail crash_loop b"],
    ],
    [
      "a new replica that was ready and then crashes fails while an old version can serve",
      app([old("a"), replica("b", { phase: "crashed", exits: 3 })]),
      desired(),
      ["fail crash_loop b"],
    ],
    [
      "new replicas that are ready stay when a further one fails",
      app([old("a"), replica("b"), starting("c", { exits: 3 })]),
      desired(),
      ["fail crash_loop c"],
    ],
    [
      "a port in use fails before anything else changes",
      app([old("a")], { fronts: [front({ status: "port_in_use", detail: "nginx (pid 7)" })] }),
      desired(),
      ["fail port_in_use 18000"],
    ],
    [
      "an address that cannot be had fails",
      app([], { fronts: [front({ status: "cannot_listen", detail: "EACCES" })] }),
      desired(),
      ["fail cannot_listen 18000"],
    ],
    [
      "a front that does not come up fails",
      app([], { fronts: [front({ status: "starting", exits: 3 })] }),
      desired(),
      ["fail cannot_listen 18000"],
    ],
  ])("%s", (_rule, current, wanted, steps) => {
    expect(plan(current, wanted)).toEqual(steps);
  });
});
