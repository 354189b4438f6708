import { readFile, rm } from "node:fs/promises";
import { systemClock } from "@drawbridge/lifecycle";
import { isAlive, runsWithArgument } from "../process-of-ours.ts";
import { writePrivateFile } from "../secret-file.ts";

export async function recordPid(pidFile: string, pid: number): Promise<void> {
  await writePrivateFile(pidFile, `${pid}\n`);
}

/** Stop the server that an owner left behind when it was killed: two servers on one store would destroy it. */
export async function endOrphan(pidFile: string, configFile: string): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile, "utf8").catch(() => ""), 10);
  await rm(pidFile, { force: true });
  if (Number.isNaN(pid) || !isAlive(pid) || !(await runsWithArgument(pid, configFile))) return;
  process.kill(pid, "SIGTERM");
  const deadlineMs = systemClock.monotonicMs() + 10_000;
  while (isAlive(pid) && systemClock.monotonicMs() < deadlineMs) await systemClock.sleep(50);
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
}
