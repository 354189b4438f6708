import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A program of test/fixtures. */
export function startFixture(name: string, args: readonly string[]): ChildProcess {
  return fork(join(import.meta.dirname, `../fixtures/${name}.ts`), [...args], { execArgv: [] });
}

/** The same, killed at the end of the test; with the first message that it sends. */
export async function runFixture(
  name: string,
  args: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly message: unknown }> {
  const child = startFixture(name, args);
  onTestFinished(() => void child.kill("SIGKILL"));
  const [message] = (await once(child, "message")) as [unknown];
  return { child, message };
}

/** Process id of the engine that holds a store's directory. */
export async function enginePid(directory: string): Promise<number> {
  const status = await readFile(join(directory, "data/status"), "utf8");
  return Number(/PID: (\d+)/.exec(status)?.[1]);
}

export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8").catch(() => "");
  // A zombie has ended; only its parent has not looked yet.
  return stat !== "" && !/\) Z /.test(stat);
}
