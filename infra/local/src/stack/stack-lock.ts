import { mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";

/**
 * One owner per state folder: two stacks on one database directory would destroy it.
 * @throws DrawbridgeError `STACK_RUNNING` (failed_precondition) with the owner's pid
 */
export async function lockStack(path: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(`${process.pid}\n${await startTimeOf(process.pid)}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const [pidText = "", startTime = ""] = (await readFile(path, "utf8").catch(() => "")).split("\n");
    const owner = Number(pidText);
    const now = owner > 0 ? await startTimeOf(owner) : "";
    if (now !== "" && (startTime === "" || now === startTime)) {
      throw new DrawbridgeError({
        kind: "failed_precondition",
        code: "STACK_RUNNING",
        message: `a stack runs on ${dirname(path)} already (process ${owner}); stop it with Ctrl-C where it was started, or give another --state-dir and --port-base`,
      });
    }
    await rm(path, { force: true }); // its owner died
  }
  throw new DrawbridgeError({
    kind: "aborted",
    code: "STACK_LOCK_CONTESTED",
    message: `somebody else is starting a stack on ${dirname(path)}; try again`,
  });
}

/** Field 22 of /proc/<pid>/stat (proc(5)): tells a process from a later one with the same pid. "" if it is gone. */
async function startTimeOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    try {
      process.kill(pid, 0);
      return "unknown";
    } catch {
      return "";
    }
  }
}
