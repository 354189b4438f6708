import { readFile, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { isAlive } from "../process-of-ours.ts";

export type Leftover =
  /** The last run ended in order. */
  | { readonly found: "nothing" }
  /** It was killed; its children may still be on their way out. */
  | { readonly found: "stale" }
  /** A server of an owner that died still runs on this data directory; it has been stopped. */
  | { readonly found: "orphan"; readonly pid: number };

/**
 * Deal with `postmaster.pid` before a start. PostgreSQL itself takes any live process with that pid for itself, so
 * after a reboot or in a container, where pids come again soon, it would refuse to start. We look whose process it is.
 */
export async function clearPostmaster(dataDir: string): Promise<Leftover> {
  const pidFile = join(dataDir, "postmaster.pid");
  const text = await readFile(pidFile, "utf8").catch(() => undefined);
  if (text === undefined) return { found: "nothing" };
  const pid = Number.parseInt(text, 10);
  if (Number.isNaN(pid) || !isAlive(pid)) return { found: "stale" };
  if (process.platform === "linux" && !(await isInFolder(pid, dataDir))) {
    await rm(pidFile, { force: true });
    return { found: "stale" };
  }
  process.kill(pid, "SIGINT"); // "fast shutdown" (PostgreSQL documentation, 18.5)
  const deadlineMs = systemClock.monotonicMs() + 20_000;
  while (isAlive(pid) && systemClock.monotonicMs() < deadlineMs) await systemClock.sleep(50);
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
  return { found: "orphan", pid };
}

/** A postmaster's working directory is its data directory. */
async function isInFolder(pid: number, dataDir: string): Promise<boolean> {
  try {
    return (await realpath(`/proc/${pid}/cwd`)) === (await realpath(dataDir));
  } catch {
    return false; // ended meanwhile, or not ours to look at: then it is not ours
  }
}
