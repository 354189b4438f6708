// What `turbo run dev` runs for each service: wait until the stack has written the service's environment, run the
// service with exactly that environment, and start it again when it dies.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { systemClock } from "@drawbridge/lifecycle";
import { cleanEnvironment, repositoryRoot } from "./stack/child.ts";
import { stackLayout } from "./stack/layout.ts";
import { serviceNamed } from "./stack/services.ts";

const longestPauseMs = 10_000;

const service = serviceNamed(process.argv[2] ?? "");
const layout = stackLayout(resolve(repositoryRoot, process.env["DRAWBRIDGE_STATE_DIR"] ?? ".drawbridge"));
const stopping = new AbortController();
let child: ChildProcess | undefined;

function stop(): void {
  stopping.abort(new Error("stopping"));
  child?.kill("SIGTERM");
}
process.on("SIGTERM", stop).on("SIGINT", stop);

async function waitForEnvironment(): Promise<Record<string, string>> {
  const file = layout.envFile(service.name);
  if (!existsSync(file)) console.log(`waiting for ${file}: "npm start" prepares the stack and writes it`);
  while (!existsSync(file)) await systemClock.sleep(250, stopping.signal);
  const parsed = parseEnv(await readFile(file, "utf8"));
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** Resolves with what the process ended with. */
function runOnce(environment: Record<string, string>): Promise<string> {
  mkdirSync(layout.logs, { recursive: true, mode: 0o700 });
  const log = createWriteStream(layout.logFile(service.name), { flags: "a", mode: 0o600 });
  const running = spawn(process.execPath, [join(repositoryRoot, service.directory, "src/main.ts"), ...service.args], {
    cwd: join(repositoryRoot, service.directory),
    env: { ...cleanEnvironment(), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = running;
  for (const output of [running.stdout, running.stderr]) {
    output.pipe(log, { end: false });
    output.pipe(process.stdout, { end: false });
  }
  return new Promise((resolveEnd) => {
    running.on("close", (code, signal) => {
      log.end();
      resolveEnd(signal ?? `exit code ${code}`);
    });
  });
}

mkdirSync(dirname(layout.logFile(service.name)), { recursive: true, mode: 0o700 });
let pauseMs = 250;
try {
  while (!stopping.signal.aborted) {
    const environment = await waitForEnvironment();
    const startedMs = systemClock.monotonicMs();
    const end = await runOnce(environment);
    if (stopping.signal.aborted) break;
    if (systemClock.monotonicMs() - startedMs > 30_000) pauseMs = 250;
    console.log(`${service.name} ended with ${end}; starting it again in ${pauseMs} ms`);
    await systemClock.sleep(pauseMs, stopping.signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
} catch (error) {
  if (!stopping.signal.aborted) throw error;
}
