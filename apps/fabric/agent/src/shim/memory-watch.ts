import { processTree, residentBytes } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";

const intervalMs = 500;

/**
 * Resolves when the whole process tree of `leaderPid` holds more memory than it may; rejects when `signal` aborts. Sampled,
 * so it stops a leak, not a burst of less than half a second: that takes a cgroup.
 */
export async function watchMemory(
  options: { readonly leaderPid: number; readonly limitBytes: number; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await options.clock.sleep(intervalMs, signal);
    let usedBytes = 0;
    for (const pid of processTree(options.leaderPid)) usedBytes += residentBytes(pid);
    if (usedBytes > options.limitBytes) return;
  }
}
