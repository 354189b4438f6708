import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { systemClock } from "@drawbridge/lifecycle";

const run = promisify(execFile);
/** PostgreSQL and NATS end in order at SIGINT: this is for what does not. */
const patienceMs = 10_000;
const lookEveryMs = 50;

/**
 * End a process that leads a group, and all that descends from it. It stands still first, so that it starts nothing more: its
 * group is killed, and what left the group to outlive it (PostgreSQL, NATS, apps) is told to end, and then killed.
 */
export async function endTree(leader: number): Promise<void> {
  signal(-leader, "SIGSTOP");
  const descendants = descendantsOf(leader, await livingProcesses());
  signal(-leader, "SIGKILL");
  for (const pid of descendants) signal(pid, "SIGINT");
  const giveUpAtMs = systemClock.monotonicMs() + patienceMs;
  for (let isLate = false; ;) {
    const living = await livingProcesses();
    const left = descendants.filter((pid) => living.has(pid));
    if (left.length === 0) return;
    isLate ||= systemClock.monotonicMs() >= giveUpAtMs;
    if (isLate) for (const pid of left) signal(pid, "SIGKILL");
    await systemClock.sleep(lookEveryMs);
  }
}

/** Pid of each process and its parent's. One that has ended and was not asked for yet (state Z) is none any more. */
async function livingProcesses(): Promise<ReadonlyMap<number, number>> {
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid=,stat="]); // POSIX
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return new Map(
    rows.flatMap(([pid, parent, state]) => (state?.startsWith("Z") ? [] : [[Number(pid), Number(parent)]])),
  );
}

function descendantsOf(ancestor: number, parents: ReadonlyMap<number, number>): readonly number[] {
  const found = [ancestor];
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child);
  return found.slice(1);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
}
