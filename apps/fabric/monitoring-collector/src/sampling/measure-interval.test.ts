import type { ReplicaTraffic } from "@drawbridge/app-routes";
import { expect, test } from "vitest";
import { baselineSchema, measureInterval, shiftBaseline, type Baseline } from "./measure-interval.ts";
import type { ReplicaReading } from "./replica-source.ts";

const t0 = Date.parse("2026-01-01T00:00:00Z");

function aReading(replicaId: string, options: Partial<ReplicaReading> = {}): ReplicaReading {
  return {
    identity: { appId: "app-1", app: "orders", environment: "prod", replicaId, version: "1.0.0" },
    startedAtMs: t0 - 60_000,
    cpu: undefined,
    memory: { usedBytes: 10, totalBytes: 100 },
    ...options,
  };
}

const used = (ownMs: number): ReplicaReading["cpu"] => ({
  kind: "processes",
  processes: { "1:1": { ownMs, waitedMs: 0 } },
});

function counted(replicaId: string, [requests, errors, durationMs]: readonly [number, number, number]): ReplicaTraffic {
  return { appId: "app-1", replicaId, requests, errors, durationMs };
}

/** What was read so many seconds after t0. */
function at(
  seconds: number,
  replicas: readonly ReplicaReading[],
  counters: Readonly<Record<string, readonly ReplicaTraffic[] | undefined>> = {},
  since = t0 - 60_000,
) {
  return {
    atMs: t0 + seconds * 1_000,
    replicas,
    traffic: {
      counters: new Map(
        Object.entries(counters).map(([source, of]) => [source, of && { since: new Date(since), replicas: of }]),
      ),
      countedApps: new Set(Object.keys(counters).length === 0 ? [] : ["app-1"]),
    },
  };
}

/** Samples of the last of these looks. */
function measure(...looks: readonly ReturnType<typeof at>[]) {
  let before: Baseline | undefined;
  let last = measureInterval(before, {
    atMs: 0,
    replicas: [],
    traffic: { counters: new Map(), countedApps: new Set() },
  });
  for (const look of looks) {
    last = measureInterval(before, look);
    // As it is read again after a restart.
    before = baselineSchema.parse(JSON.parse(JSON.stringify(last.baseline)));
  }
  return last;
}

test("the first look knows memory, and no rate of anything (MON)", () => {
  const { samples } = measure(
    at(0, [aReading("r-0", { cpu: used(900_000) })], { front: [counted("r-0", [9, 1, 90])] }),
  );
  expect(samples).toMatchObject([
    { cpuCores: undefined, traffic: undefined, memory: { usedBytes: 10, totalBytes: 100 } },
  ]);
});

test("CPU is what was used over the interval, in cores (MON)", () => {
  const { samples } = measure(
    at(0, [aReading("r-0", { cpu: used(1_000) })]),
    at(10, [aReading("r-0", { cpu: used(6_000) })]),
  );
  expect(samples).toMatchObject([{ cpuCores: 0.5, startMs: t0, endMs: t0 + 10_000, traffic: undefined }]);
});

test("a replica that could not be read for a while is measured over all of that while", () => {
  const { samples } = measure(
    at(0, [aReading("r-0", { cpu: used(1_000) })]),
    at(10, []),
    at(20, [aReading("r-0", { cpu: used(11_000) })]),
  );
  expect(samples[0]?.cpuCores).toBe(0.5);
});

test("of a replica that is seen late, nobody knows how much it used lately", () => {
  const { samples } = measure(at(0, []), at(10, [aReading("r-0", { cpu: used(900_000) })]));
  expect(samples[0]?.cpuCores).toBeUndefined();
  const fresh = aReading("r-0", { cpu: used(2_000), startedAtMs: t0 + 4_000 });
  expect(measure(at(0, []), at(10, [fresh])).samples[0]?.cpuCores).toBe(0.2);
});

test("adds up what all gateways and fronts count of a replica, and says when there was nothing (MON)", () => {
  const replicas = [aReading("r-0"), aReading("r-1")];
  const { samples } = measure(
    at(0, replicas, { "gateway-0": [counted("r-0", [10, 1, 100])], "gateway-1": [] }),
    at(10, replicas, { "gateway-0": [counted("r-0", [14, 2, 180])], "gateway-1": [counted("r-0", [2, 0, 20])] }),
  );
  expect(samples.map(({ traffic }) => traffic)).toEqual([
    { requests: 6, errors: 1, durationMs: 100 },
    { requests: 0, errors: 0, durationMs: 0 },
  ]);
});

test("a counter that went back began anew (MON)", () => {
  const { samples } = measure(
    at(0, [aReading("r-0")], { front: [counted("r-0", [100, 5, 1_000])] }),
    at(10, [aReading("r-0")], { front: [counted("r-0", [3, 1, 30])] }),
  );
  expect(samples[0]?.traffic).toEqual({ requests: 3, errors: 1, durationMs: 30 });
});

test("the last requests of a replica that is gone are told, by its name (MON)", () => {
  const { samples } = measure(
    at(0, [aReading("r-0")], { front: [counted("r-0", [5, 0, 50])] }),
    at(10, [], { front: [counted("r-0", [8, 0, 80])] }),
  );
  expect(samples).toMatchObject([
    { identity: { app: "orders", replicaId: "r-0" }, memory: undefined, traffic: { requests: 3 } },
  ]);
  const after = measure(
    at(0, [aReading("r-0")], { front: [counted("r-0", [5, 0, 50])] }),
    at(10, [], { front: [counted("r-0", [8, 0, 80])] }),
    at(20, [], { front: [counted("r-0", [8, 0, 80])] }),
  );
  expect(after.samples).toEqual([]);
});

test("requests for which no replica could be reached are the app's as a whole (MON)", () => {
  const { samples } = measure(
    at(0, [aReading("r-0")], { front: [] }),
    at(10, [aReading("r-0")], { front: [counted("", [2, 2, 0])] }),
  );
  expect(samples[1]).toMatchObject({ identity: { app: "orders", replicaId: "" }, traffic: { requests: 2, errors: 2 } });
});

test("counters that cannot be read for a moment are neither lost nor counted twice", () => {
  const replicas = [aReading("r-0")];
  const { samples } = measure(
    at(0, replicas, { front: [counted("r-0", [5, 0, 50])] }),
    at(10, replicas, { front: undefined }),
    at(20, replicas, { front: [counted("r-0", [9, 0, 90])] }),
  );
  expect(samples[0]?.traffic).toEqual({ requests: 4, errors: 0, durationMs: 40 });
});

test("counters that are seen late began before: only what comes from now on is counted", () => {
  const replicas = [aReading("r-0")];
  const looks = [at(0, replicas), at(10, replicas, { front: [counted("r-0", [900, 0, 50])] })] as const;
  expect(measure(...looks).samples[0]?.traffic).toEqual({ requests: 0, errors: 0, durationMs: 0 });
  const newFront = at(10, replicas, { front: [counted("r-0", [9, 0, 50])] }, t0 + 5_000);
  expect(measure(at(0, replicas), newFront).samples[0]?.traffic?.requests).toBe(9);
});

test("requests of a replica whose name was never read are counted as nameless, not given to somebody", () => {
  const { samples, namelessRequests } = measure(
    at(0, []),
    at(10, [], { front: [counted("r-9", [7, 0, 1])] }, t0 + 5_000),
  );
  expect(samples).toEqual([]);
  expect(namelessRequests).toBe(7);
});

test("a wall clock that is set makes no interval longer or shorter", () => {
  const { baseline } = measure(at(0, [aReading("r-0", { cpu: used(0) })]));
  const hour = 3_600_000;
  const look = { ...at(10, [aReading("r-0", { cpu: used(5_000) })]), atMs: t0 + hour + 10_000 };
  const { samples } = measureInterval(shiftBaseline(baseline, hour), look);
  expect(samples).toMatchObject([{ cpuCores: 0.5, startMs: t0 + hour, endMs: t0 + hour + 10_000 }]);
});
