import type { Traffic } from "@drawbridge/app-routes";
import { z } from "zod";
import type { TrafficReading } from "../traffic/traffic-source.ts";
import { ownBaselineSchema } from "../app-endpoint/own-increments.ts";
import type { OwnSeries } from "../app-endpoint/own-series.ts";
import { cpuReadingSchema, cpuSince } from "./cpu-reading.ts";
import { replicaKey, type ReplicaIdentity, type ReplicaReading } from "./replica-source.ts";

const countsSchema = z.object({ requests: z.number(), errors: z.number(), durationMs: z.number() });

/** What the next sample is measured against; kept on disk, so that a restart loses no request and counts none twice. */
export const baselineSchema = z.object({
  schemaVersion: z.literal(1),
  /** Milliseconds since 1970. */
  atMs: z.number(),
  replicas: z.record(
    z.string(),
    z.object({
      /** When it was last read. */
      atMs: z.number(),
      identity: z.object({
        appId: z.string(),
        app: z.string(),
        environment: z.string(),
        replicaId: z.string(),
        version: z.string(),
      }),
      cpu: cpuReadingSchema.optional(),
    }),
  ),
  /** By who counted and by replica. */
  traffic: z.record(z.string(), z.record(z.string(), countsSchema)),
  own: ownBaselineSchema.optional(),
});

export type Baseline = Readonly<z.output<typeof baselineSchema>>;
export type TrafficCounts = Readonly<z.output<typeof countsSchema>>;

/** One replica over one interval; without a replica's id what none of an app's could be reached for. */
export interface ReplicaSample {
  readonly identity: ReplicaIdentity;
  readonly startMs: number;
  readonly endMs: number;
  /** Mean over the interval; 1 is one core. */
  readonly cpuCores: number | undefined;
  readonly memory: ReplicaReading["memory"];
  /** `undefined`: nobody counts. */
  readonly traffic: TrafficCounts | undefined;
  /** What the replica tells of itself. */
  readonly own?: readonly OwnSeries[] | undefined;
}

/** What began before the last sample, and was not known then, has used and counted an unknown part of it before. */
const beganLateMs = 5_000;
/** A replica that is gone is remembered for so long, for requests that are told of late. */
const rememberMs = 600_000;
const noCounts: TrafficCounts = { requests: 0, errors: 0, durationMs: 0 };

/** Samples since `before`, and what the next ones are measured against. Counters that went back began anew: nothing is negative. */
export function measureInterval(
  before: Baseline | undefined,
  now: { readonly atMs: number; readonly replicas: readonly ReplicaReading[]; readonly traffic: TrafficReading },
): {
  readonly samples: readonly ReplicaSample[];
  /** Of replicas that nobody knows the name of. */
  readonly namelessRequests: number;
  readonly baseline: Baseline;
} {
  const { atMs } = now;
  const startMs = Math.min(before?.atMs ?? atMs, atMs);
  const replicas = rememberedReplicas(before, now);
  const traffic = trafficSince(before, now.traffic);
  const readings = new Map(now.replicas.map((reading) => [replicaKey(reading.identity), reading]));
  const samples = [...replicas].flatMap(([key, { identity }]): readonly ReplicaSample[] => {
    const reading = readings.get(key);
    const counts = traffic.get(key);
    const isRunning = reading?.memory !== undefined;
    const cpuCores = before === undefined ? undefined : coresOf(before, reading, { key, atMs });
    const isCounted = isRunning && now.traffic.countedApps.has(identity.appId) && before !== undefined;
    const sample = {
      identity,
      startMs,
      endMs: atMs,
      cpuCores,
      memory: reading?.memory,
      traffic: counts ?? (isCounted ? noCounts : undefined),
    };
    // A replica that ended says no more but what is left of it.
    const isOver = !isRunning && counts === undefined && (cpuCores ?? 0) === 0;
    return isOver ? [] : [sample];
  });
  let namelessRequests = 0;
  const ofApp = new Map(Array.from(replicas.values(), ({ identity }) => [identity.appId, identity]));
  for (const [key, counts] of traffic) {
    if (replicas.has(key)) continue;
    const app = key.endsWith("/") ? ofApp.get(key.slice(0, -1)) : undefined;
    if (app === undefined) namelessRequests += counts.requests;
    else {
      const identity = { ...app, replicaId: "", version: "" };
      samples.push({ identity, startMs, endMs: atMs, cpuCores: undefined, memory: undefined, traffic: counts });
    }
  }
  const baseline: Baseline = {
    schemaVersion: 1,
    atMs,
    replicas: Object.fromEntries(replicas),
    traffic: countsOf(before, now.traffic),
  };
  return { samples, namelessRequests, baseline };
}

function coresOf(
  before: Baseline,
  reading: ReplicaReading | undefined,
  { key, atMs }: { readonly key: string; readonly atMs: number },
): number | undefined {
  if (reading?.cpu === undefined) return undefined;
  const last = before.replicas[key];
  if (last?.cpu === undefined && (reading.startedAtMs ?? 0) < before.atMs - beganLateMs) return undefined;
  const elapsedMs = atMs - (last?.cpu === undefined ? before.atMs : last.atMs);
  const usedMs = cpuSince(last?.cpu, reading.cpu);
  return usedMs === undefined || elapsedMs <= 0 ? undefined : usedMs / elapsedMs;
}

/** Those that are there, and those that were a while ago, as they were when they were last read. */
function rememberedReplicas(
  before: Baseline | undefined,
  { atMs, replicas }: { readonly atMs: number; readonly replicas: readonly ReplicaReading[] },
): Map<string, Baseline["replicas"][string]> {
  const remembered = new Map(
    Object.entries(before?.replicas ?? {}).filter(([, known]) => atMs - known.atMs < rememberMs),
  );
  for (const { identity, cpu } of replicas) {
    const known = remembered.get(replicaKey(identity));
    if (cpu === undefined) {
      if (known === undefined) remembered.set(replicaKey(identity), { identity, atMs });
    } else remembered.set(replicaKey(identity), { identity, atMs, cpu });
  }
  return remembered;
}

/** By replica, of all who count; replicas without requests are left out. */
function trafficSince(before: Baseline | undefined, { counters }: TrafficReading): ReadonlyMap<string, TrafficCounts> {
  const sums = new Map<string, TrafficCounts>();
  if (before === undefined) return sums;
  for (const [source, counted] of counters) {
    const known = before.traffic[source];
    if (counted === undefined || (known === undefined && isOld(counted, before))) continue;
    for (const replica of counted.replicas) {
      const key = replicaKey(replica);
      const since = countsSince(known?.[key] ?? noCounts, replica);
      if (since.requests === 0) continue;
      const sum = sums.get(key) ?? noCounts;
      sums.set(key, {
        requests: sum.requests + since.requests,
        errors: sum.errors + since.errors,
        durationMs: sum.durationMs + since.durationMs,
      });
    }
  }
  return sums;
}

function isOld({ since }: Traffic, before: Baseline): boolean {
  return since.getTime() < before.atMs - beganLateMs;
}

function countsSince(before: TrafficCounts, now: TrafficCounts): TrafficCounts {
  const beganAnew = now.requests < before.requests || now.errors < before.errors || now.durationMs < before.durationMs;
  const from = beganAnew ? noCounts : before;
  return {
    requests: now.requests - from.requests,
    errors: now.errors - from.errors,
    durationMs: now.durationMs - from.durationMs,
  };
}

/** Of what cannot be read now, what was known before. */
function countsOf(before: Baseline | undefined, { counters }: TrafficReading): Baseline["traffic"] {
  const sources = [...counters].flatMap(([source, counted]): readonly [string, Record<string, TrafficCounts>][] => {
    if (counted === undefined) {
      const known = before?.traffic[source];
      return known === undefined ? [] : [[source, known]];
    }
    const entries = counted.replicas.map(({ requests, errors, durationMs, ...replica }) => [
      replicaKey(replica),
      { requests, errors, durationMs },
    ]);
    return [[source, Object.fromEntries(entries)]];
  });
  return Object.fromEntries(sources);
}

/** The wall clock was set by `byMs` since: what was measured before moves along, and no interval gets longer or shorter. */
export function shiftBaseline(baseline: Baseline, byMs: number): Baseline {
  const replicas = Object.entries(baseline.replicas).map(([key, known]) => [
    key,
    { ...known, atMs: known.atMs + byMs },
  ]);
  return { ...baseline, atMs: baseline.atMs + byMs, replicas: Object.fromEntries(replicas) };
}
