import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cryptoRandom, retryWithBackoff, systemClock } from "@drawbridge/lifecycle";

const startTimeoutMs = 60_000;
const shownLines = 40;

/** Until `service` says at `url` that it is ready. Whoever does not become it is quoted: its last answer and what it wrote. */
export async function waitUntilReady(
  url: string,
  { service, logPath }: { readonly service: ChildProcess; readonly logPath: string },
): Promise<void> {
  let lastAnswer = "none";
  const hasEnded = (): boolean => service.exitCode !== null || service.signalCode !== null;
  const isReady = async (signal: AbortSignal): Promise<void> => {
    const response = await fetch(url, { signal });
    if (response.ok) return;
    lastAnswer = await response.text();
    throw new Error(lastAnswer);
  };
  const onFailure = (): "retry" | "stop" => (hasEnded() ? "stop" : "retry");
  const timing = { clock: systemClock, random: cryptoRandom, baseMs: 20, capMs: 250, onFailure };
  try {
    await retryWithBackoff(isReady, timing, AbortSignal.timeout(startTimeoutMs));
  } catch (error) {
    const state = hasEnded()
      ? `ended (exit code ${service.exitCode}, signal ${service.signalCode})`
      : `is not ready after ${startTimeoutMs / 1_000} s`;
    const wrote = (await readFile(logPath, "utf8")).trimEnd().split("\n").slice(-shownLines).join("\n");
    throw new Error(`${service.spawnargs.at(-1)} ${state}; its last answer: ${lastAnswer}; it wrote:\n${wrote}`, {
      cause: error,
    });
  }
}
