import { readFile } from "node:fs/promises";

/** Signal 0 asks whether the process is there; EPERM means that it is, and somebody else's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Pids come again: true only when the process's command line holds `argument` (where the system can tell). */
export async function runsWithArgument(pid: number, argument: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return commandLine.split("\0").includes(argument);
}
