import { join } from "node:path";
import { runOnCore } from "./child.ts";
import { programNamed } from "./peers.ts";

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
}

export type Headers = Readonly<Record<string, string>>;

const pacedLoad = join(import.meta.dirname, "paced-load.ts");
/** The proxy has the other one. */
export const loadCore = 1;

/** As much as it takes, over so many connections: wrk, or a generator of ours, which loads its own core more. */
export async function saturate(
  port: number,
  options: { connections: number; seconds: number; headers: Headers },
): Promise<LoadResult> {
  const { connections, seconds, headers } = options;
  const wrk = programNamed("wrk");
  if (wrk === undefined) return pace(port, { ...options, burstsPerSecond: 0 });
  const fields = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const url = `http://127.0.0.1:${port}/`;
  const text = await runOnCore(loadCore, wrk, [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--latency",
    ...fields,
    url,
  ]);
  const [, requests = "0", took = String(seconds)] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
  const failures = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  return {
    requests: Number(requests),
    seconds: Number(took),
    failures,
    p50Ms: millis(/^ *50%\s+(\S+)/m.exec(text)?.[1]),
    p99Ms: millis(/^ *99%\s+(\S+)/m.exec(text)?.[1]),
  };
}

/** One request on every connection so many times a second; 0: one after the other. */
export async function pace(
  port: number,
  options: { connections: number; burstsPerSecond: number; seconds: number; headers: Headers },
): Promise<LoadResult> {
  const { connections, burstsPerSecond, seconds, headers } = options;
  const numbers = [port, connections, burstsPerSecond, seconds].map(String);
  const text = await runOnCore(loadCore, process.execPath, [pacedLoad, ...numbers, JSON.stringify(headers)]);
  // paced-load.ts writes it.
  const result = JSON.parse(text) as Omit<LoadResult, "seconds">;
  return { ...result, seconds };
}

function millis(text = "0ms"): number {
  const value = Number.parseFloat(text);
  if (Number.isNaN(value)) return 0; // of no requests
  if (text.endsWith("us")) return value / 1_000;
  return text.endsWith("ms") ? value : value * 1_000;
}
