import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { startProgram } from "./child.ts";
import type { StackLayout } from "./layout.ts";
import type { StackPorts } from "./ports.ts";
import { type ServiceDefinition, serviceNamed } from "./services.ts";

/** One of our services as a process of its own. */
export interface ServiceProcess {
  readonly name: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** With more environment, this time only: laid over the service's own. */
  start(environment?: Readonly<Record<string, string>>): void;
  /** SIGTERM, and wait; SIGKILL after 30 s. */
  stop(): Promise<void>;
  /** SIGKILL, and wait. */
  kill(): Promise<void>;
  /** Wait until it is gone, whoever ended it. */
  ended(): Promise<void>;
  /** SIGSTOP: every thread stands still, sockets stay open. */
  suspend(): void;
  /** SIGCONT. */
  resume(): void;
  /** Wait until /readyz says 200. @throws DrawbridgeError `SERVICE_NOT_READY` (unavailable) with what it says */
  waitReady(timeoutMs?: number): Promise<void>;
}

const stopTimeoutMs = 30_000;

export function createServiceProcess(options: {
  readonly name: string;
  readonly layout: StackLayout;
  readonly ports: StackPorts;
  readonly clock: Clock;
  /** Environment beyond the service's file: a second replica needs other ports. */
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the log file; default the service's name. */
  readonly alias?: string;
  readonly opsPort?: number;
}): ServiceProcess {
  const service: ServiceDefinition = serviceNamed(options.name);
  const opsPort = options.opsPort ?? service.opsPort(options.ports);
  const logFile = options.layout.logFile(options.alias ?? options.name);
  let child: ChildProcess | undefined;
  let starting: Promise<void> = Promise.resolve();

  /** The process, unless it has ended. */
  const running = (): ChildProcess | undefined =>
    child?.exitCode === null && child.signalCode === null ? child : undefined;

  async function launch(more: Readonly<Record<string, string>>): Promise<void> {
    const environment = parseEnv(await readFile(options.layout.envFile(options.name), "utf8"));
    child = startProgram({
      program: join(service.directory, "src/main.ts"),
      args: service.args,
      env: { ...(environment as Record<string, string>), ...options.env, ...more }, // parseEnv gives every name a value
      logFile,
    });
  }

  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await starting;
    const ending = running();
    if (!ending) return;
    const exited = once(ending, "exit");
    ending.kill(signal);
    if (signal === "SIGTERM") ending.kill("SIGCONT"); // one that is suspended would not hear it
    const timer = setTimeout(() => ending.kill("SIGKILL"), stopTimeoutMs);
    await exited;
    clearTimeout(timer);
    child = undefined;
  }

  return {
    name: options.alias ?? options.name,
    get pid() {
      return running()?.pid;
    },
    start: (environment = {}) => {
      starting = launch(environment);
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    ended: async () => {
      await starting;
      const ending = running();
      if (ending) await once(ending, "exit");
    },
    suspend: () => void running()?.kill("SIGSTOP"),
    resume: () => void running()?.kill("SIGCONT"),
    waitReady: async (timeoutMs = 240_000) => {
      await starting;
      const giveUpAtMs = options.clock.monotonicMs() + timeoutMs;
      let said = "nothing";
      while (options.clock.monotonicMs() < giveUpAtMs) {
        if (child && !running()) {
          throw notReady(
            service.name,
            `it ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`,
            await lastLines(logFile),
          );
        }
        const answer = await readiness(opsPort);
        if (answer.ready) return;
        said = answer.said;
        await options.clock.sleep(100);
      }
      throw notReady(service.name, `after ${timeoutMs / 1000} s it says: ${said}`, await lastLines(logFile));
    },
  };
}

/** What /readyz of a process on this machine says. */
export async function readiness(opsPort: number): Promise<{ readonly ready: boolean; readonly said: string }> {
  try {
    const response = await fetch(`http://127.0.0.1:${opsPort}/readyz`, { signal: AbortSignal.timeout(2_000) });
    return { ready: response.ok, said: (await response.text()).trim() };
  } catch {
    return { ready: false, said: "nothing" };
  }
}

function notReady(service: string, why: string, log: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "SERVICE_NOT_READY",
    message: `${service} is not ready: ${why}\n${log}`,
  });
}

async function lastLines(logFile: string): Promise<string> {
  const text = await readFile(logFile, "utf8").catch(() => "");
  return `last lines of ${logFile}:\n${text.trimEnd().split("\n").slice(-8).join("\n")}`;
}
