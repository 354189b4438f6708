import { z } from "zod";

const processTimesSchema = z.object({
  /** CPU time of the process itself. */
  ownMs: z.number().nonnegative(),
  /** Of its children that have ended and that it has waited for, with theirs. */
  waitedMs: z.number().nonnegative(),
});

/** CPU time that was used until now; counters, but for processes that go. */
export const cpuReadingSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("cgroup"), usedMs: z.number().nonnegative() }),
  /** By pid and start time, so that a pid that is used again is another process. */
  z.object({ kind: z.literal("processes"), processes: z.record(z.string(), processTimesSchema) }),
]);

export type CpuReading = Readonly<z.output<typeof cpuReadingSchema>>;
export type ProcessTimes = Readonly<z.output<typeof processTimesSchema>>;

/**
 * CPU time between two readings of one replica, never negative; `undefined` where they cannot be compared. A replica that
 * was not there before has used all that it shows since.
 *
 * A process that has ended takes its own time with it, but the parent that waited for it has it in `waitedMs`, all of its
 * life: what was already counted of it is taken off again.
 */
export function cpuSince(before: CpuReading | undefined, now: CpuReading): number | undefined {
  if (now.kind === "cgroup") {
    if (before === undefined) return now.usedMs;
    if (before.kind !== "cgroup") return undefined;
    return now.usedMs >= before.usedMs ? now.usedMs - before.usedMs : now.usedMs; // made anew
  }
  if (before !== undefined && before.kind !== "processes") return undefined;
  const known = new Map(Object.entries(before?.processes ?? {}));
  let ownMs = 0;
  let waitedMs = 0;
  for (const [key, times] of Object.entries(now.processes)) {
    const was = known.get(key) ?? { ownMs: 0, waitedMs: 0 };
    known.delete(key);
    ownMs += Math.max(0, times.ownMs - was.ownMs);
    waitedMs += Math.max(0, times.waitedMs - was.waitedMs);
  }
  const countedOfGoneMs = [...known.values()].reduce((sum, gone) => sum + gone.ownMs + gone.waitedMs, 0);
  return ownMs + Math.max(0, waitedMs - countedOfGoneMs);
}
