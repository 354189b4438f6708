import {
  findByArgument,
  isAlive,
  readUnitState,
  sendSignal,
  shimArgument,
  signalProcess,
  unitMarker,
  unitPaths,
  type UnitPaths,
  type UnitWish,
  writeStateFile,
} from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import { endProcesses } from "../../shim/app-process.ts";

/** What a shim needs beyond its app's time: signals, kill, last log lines. */
const shimGraceMs = 3_000;
const killWaitMs = 5_000;
const pollMs = 20;

/** Write down what is to become of a unit; a full disk must not keep it from being stopped. */
export function writeWish(paths: UnitPaths, wish: UnitWish): void {
  writeStateFile(paths.wish, wish);
}

/** Ask the shim to end its process; it does so even if the driver is gone by then. */
export function signalStop(directory: string): void {
  const state = readUnitState(unitPaths(directory));
  if (signalProcess(state?.shim, "SIGTERM")) return;
  for (const pid of findShims(directory)) sendSignal(pid, "SIGTERM");
}

/**
 * End a unit, whatever state it is in: its shim in order within `graceMs`, and then by force all that is left of it. Afterwards
 * nothing of it lives.
 */
export async function terminateUnit(options: {
  readonly directory: string;
  readonly appId: string;
  readonly unitId: string;
  readonly graceMs: number;
  readonly clock: Clock;
}): Promise<void> {
  const { directory, graceMs, clock } = options;
  const paths = unitPaths(directory);
  const now = clock.now();
  try {
    writeWish(paths, { wish: "stop", since: now, deadlineAt: new Date(now.getTime() + graceMs) });
  } catch {
    // disk full: the shim then goes by the time in its spec, and is killed when ours is up
  }
  signalStop(directory);
  const shimEndsAt = clock.monotonicMs() + graceMs + shimGraceMs;
  while (findShims(directory).length > 0 && clock.monotonicMs() < shimEndsAt) await clock.sleep(pollMs);
  const giveUpAt = clock.monotonicMs() + killWaitMs;
  for (
    let left = findShims(directory);
    left.length > 0 && clock.monotonicMs() < giveUpAt;
    left = findShims(directory)
  ) {
    for (const pid of left) sendSignal(pid, "SIGKILL");
    await clock.sleep(pollMs);
  }
  await endProcesses({
    leader: readUnitState(paths)?.app,
    marker: unitMarker(options),
    graceMs: Math.max(0, shimEndsAt - shimGraceMs - clock.monotonicMs()),
    clock,
  });
}

function findShims(directory: string): readonly number[] {
  const recorded = readUnitState(unitPaths(directory))?.shim;
  if (isAlive(recorded)) return [recorded.pid];
  const argument = shimArgument(directory);
  return findByArgument((candidate) => candidate === argument);
}
