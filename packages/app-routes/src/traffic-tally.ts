import type { Clock } from "@drawbridge/lifecycle";
import { readTraffic, writeTraffic, type ReplicaTraffic } from "./traffic-file.ts";

/** A crash loses so much at most. */
const writeAfterMs = 1_000;
/** What had no request for so long is forgotten; whoever reads has read it by then. */
const forgetAfterMs = 86_400_000;

/** Requests by replica, kept in a traffic file that goes on where an earlier process ended. */
export interface TrafficTally {
  /** Requests that are over; `replicaId` is empty where none could be reached. */
  add(more: ReplicaTraffic): void;
  /** Write what is not on disk yet; before the process ends. */
  flush(): void;
}

type Kept = { -readonly [Field in keyof ReplicaTraffic]: ReplicaTraffic[Field] };

/** Nothing here waits for the disk or fails with it: what cannot be written is written with what comes next. */
export function openTrafficTally(options: { readonly path: string; readonly clock: Clock }): TrafficTally {
  const { path, clock } = options;
  const known = readTraffic(path);
  const since = known?.since ?? clock.now();
  const replicas = new Map<string, Kept>();
  const lastMs = new Map<string, number>();
  let isWritten = known !== undefined;
  let isScheduled = false;

  for (const replica of known?.replicas ?? []) add(replica);

  function add({ appId, replicaId, requests, errors, durationMs }: ReplicaTraffic): void {
    const key = `${appId}/${replicaId}`;
    let kept = replicas.get(key);
    if (kept === undefined) replicas.set(key, (kept = { appId, replicaId, requests: 0, errors: 0, durationMs: 0 }));
    kept.requests += requests;
    kept.errors += errors;
    kept.durationMs += durationMs;
    lastMs.set(key, clock.monotonicMs());
  }

  function write(): void {
    if (isWritten) return;
    const oldestMs = clock.monotonicMs() - forgetAfterMs;
    for (const [key, usedMs] of lastMs) {
      if (usedMs >= oldestMs) continue;
      lastMs.delete(key);
      replicas.delete(key);
    }
    try {
      writeTraffic(path, { since, replicas: [...replicas.values()] });
      isWritten = true;
    } catch {
      // A full disk: with the next request, or at the end.
    }
  }

  async function writeSoon(): Promise<void> {
    isScheduled = true;
    await clock.sleep(writeAfterMs);
    isScheduled = false;
    write();
  }

  write();
  return {
    add: (more) => {
      add(more);
      isWritten = false;
      if (!isScheduled) void writeSoon(); // never rejects
    },
    flush: write,
  };
}
