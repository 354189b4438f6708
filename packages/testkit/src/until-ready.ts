import type { ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";

const startTimeoutMs = 240_000;
const shownLines = 40;

/**
 * Until a program of ours answers 200 at `url`, its /readyz. There is nothing else to wait for than its answer.
 *
 * @throws Error if it ends first or takes more than 240 s, with its last answer and the end of what it wrote
 */
export async function untilReady(program: {
  readonly url: string;
  readonly child: Pick<ChildProcess, "exitCode" | "signalCode" | "spawnargs">;
  /** What it wrote so far. */
  readonly output: () => string | Promise<string>;
}): Promise<void> {
  const { child } = program;
  const deadline = AbortSignal.timeout(startTimeoutMs);
  let lastAnswer = "none";
  while (!deadline.aborted && child.exitCode === null && child.signalCode === null) {
    const response = await fetch(program.url, { signal: deadline }).catch(() => undefined); // not listening yet
    if (response?.ok) return;
    lastAnswer = (await response?.text()) ?? lastAnswer;
    await pause(50);
  }
  const state = deadline.aborted
    ? `is not ready after ${startTimeoutMs / 1_000} s`
    : `ended (exit code ${child.exitCode}, signal ${child.signalCode})`;
  const wrote = (await program.output()).trimEnd().split("\n").slice(-shownLines).join("\n");
  throw new Error(`${child.spawnargs.join(" ")} ${state}; its last answer: ${lastAnswer}; it wrote:\n${wrote}`);
}
