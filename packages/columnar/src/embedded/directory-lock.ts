import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { refused } from "../columnar-errors.ts";

/**
 * Whether another living process holds the engine's directory, by the file `status` that ClickHouse locks and writes its
 * process id to. For after an engine could not open it: the lock itself is the engine's.
 * @throws DrawbridgeError `COLUMNAR_DIRECTORY_LOCKED` (failed_precondition)
 */
export async function assertNotLocked(dataDirectory: string, ownPid: number | undefined): Promise<void> {
  const pid = await readHolder(dataDirectory);
  if (pid === undefined || pid === ownPid || !isAlive(pid)) return;
  throw refused(
    "COLUMNAR_DIRECTORY_LOCKED",
    `${dataDirectory} is in use by the process ${String(pid)}: one service, one directory`,
    { pid: String(pid), directory: dataDirectory },
  );
}

async function readHolder(dataDirectory: string): Promise<number | undefined> {
  try {
    const status = await readFile(join(dataDirectory, "status"), "utf8");
    const pid = /^PID: (\d+)$/m.exec(status)?.[1];
    return pid === undefined ? undefined : Number(pid);
  } catch {
    return undefined; // not there, or not ours to read: then it says nothing
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
