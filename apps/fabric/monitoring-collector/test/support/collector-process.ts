import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort, programEnvironment } from "@drawbridge/testkit";

const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The collector as a process of its own. Begins when `start` is called. */
export interface CollectorProcess extends AsyncDisposable {
  /** Resolves when its ops listener answers. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** SIGTERM; its exit code. */
  stop(): Promise<number | null>;
  readyz(): Promise<{ readonly ready: boolean; readonly checks: Readonly<Record<string, string>> }>;
  /** A counter by label, or a gauge ("" for its label), as /metrics has it; 0 if it was never set. */
  metric(name: string, label?: string): Promise<number>;
  output(): string;
}

export async function createCollectorProcess(options: {
  readonly stateDir: string;
  readonly ingestAddress: string;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<CollectorProcess> {
  const ops = `127.0.0.1:${await freePort()}`;
  let written = "";
  let child: ChildProcess | undefined;

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const closed = once(child, "close");
    child.kill(signal);
    const [code] = (await closed) as [number | null]; // of the event "close"
    return code;
  }
  const get = (path: string) => fetch(`http://${ops}${path}`);

  return {
    start: async () => {
      const started = spawn(process.execPath, [program], {
        env: {
          ...programEnvironment(),
          DRAWBRIDGE_STATE_DIR: options.stateDir,
          DRAWBRIDGE_INGEST_ADDRESS: options.ingestAddress,
          DRAWBRIDGE_OPS_LISTEN: ops,
          ...options.env,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      for (const stream of [started.stdout, started.stderr])
        stream.on("data", (data) => void (written += String(data)));
      child = started;
      while (!(await get("/livez").catch(() => undefined))?.ok) {
        if (started.exitCode !== null) throw new Error(`the collector ended with ${started.exitCode}:\n${written}`);
        await pause(25);
      }
    },
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
    readyz: async () => {
      const answer: unknown = await (await get("/readyz")).json();
      return answer as Awaited<ReturnType<CollectorProcess["readyz"]>>; // our own ops server
    },
    metric: async (name, label = "") => {
      const text = await (await get("/metrics")).text();
      const line = text
        .split("\n")
        .find((each) => each.startsWith(`drawbridge_monitoring_collector_${name}`) && each.includes(label));
      return line === undefined ? 0 : Number(line.replace(/^[^{ ]+(\{.*\})? /, "").split(" ")[0]);
    },
    output: () => written,
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL")),
  };
}

/** Look again until it is so; the test's own time limit ends what never becomes so. */
export async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await pause(20);
  }
}
