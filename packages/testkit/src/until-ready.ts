import { setTimeout as pause } from "node:timers/promises";

/** Another process is ready when it says so; there is nothing else to wait for than its answer. */
export async function untilReady(process: {
  readonly name: string;
  readonly url: string;
  readonly exitCode: () => number | undefined;
  readonly output: () => string;
}): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!deadline.aborted) {
    const code = process.exitCode();
    if (code !== undefined) throw new Error(`${process.name} ended with ${code}:\n${process.output()}`);
    const response = await fetch(process.url, { signal: deadline }).catch(() => undefined); // not listening yet
    if (response?.ok) return;
    await pause(50);
  }
  throw new Error(`${process.name} did not become ready:\n${process.output()}`);
}
