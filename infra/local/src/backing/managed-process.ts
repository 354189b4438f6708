import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock, type Clock } from "@drawbridge/lifecycle";

export type ProcessExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface LaunchPlan {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process; default: ours. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** While this long a time has not passed, a process that ends before it is ready is started again. Default 0. */
  readonly retryForMs?: number;
}

export interface ManagedProcessOptions {
  /** For messages: "NATS", "PostgreSQL". */
  readonly name: string;
  /** stdout and stderr are appended here. */
  readonly logFile: string;
  /** Asked before each start: puts the state in order and says what to run. */
  readonly plan: () => Promise<LaunchPlan>;
  /** True when the process does work. A rejection means "not yet". */
  readonly isReady: () => Promise<boolean>;
  readonly stopSignal: NodeJS.Signals;
  /** Called after each start, when it is ready. */
  readonly onStarted?: (pid: number) => Promise<void>;
  /** Instead of a signal, where the process is not ours to signal (containers). */
  readonly end?: (how: "stop" | "kill") => Promise<void>;
  /** After this long an orderly stop becomes SIGKILL. Default 20 s. */
  readonly stopTimeoutMs?: number;
  /** One that is not ready after so long is ended. Default 180 s: one that ends by itself is noticed at once. */
  readonly readyTimeoutMs?: number;
  readonly clock?: Clock;
}

/** A process that we own: started by us, stopped by us, and killed by tests. */
export interface ManagedProcess {
  readonly name: string;
  readonly logFile: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Of the run that is under way, or of the last one. */
  readonly exited: Promise<ProcessExit>;
  /** Resolves when ready. Does nothing while it runs. @throws DrawbridgeError `LOCAL_START_FAILED` (unavailable) */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** Stop if it runs, then start with the same state. */
  restart(): Promise<void>;
}

interface Run {
  readonly child: ChildProcess;
  readonly exited: Promise<ProcessExit>;
  exit: ProcessExit | undefined;
}

const readyPollMs = 25;

export function createManagedProcess(options: ManagedProcessOptions): ManagedProcess {
  const clock = options.clock ?? systemClock;
  let run: Run | undefined;

  const isRunning = (): boolean => run !== undefined && run.exit === undefined;

  async function start(): Promise<void> {
    if (isRunning()) return;
    const startedMs = clock.monotonicMs();
    const plan = await options.plan();
    for (;;) {
      const current = launch(plan, options.logFile);
      run = current;
      if (await becomesReady(current)) {
        if (current.child.pid !== undefined) await options.onStarted?.(current.child.pid);
        return;
      }
      if (current.exit === undefined) await end(current, "kill");
      if (clock.monotonicMs() - startedMs >= (plan.retryForMs ?? 0)) throw await startFailed(current.exit);
      await clock.sleep(200);
    }
  }

  async function becomesReady(current: Run): Promise<boolean> {
    const deadlineMs = clock.monotonicMs() + (options.readyTimeoutMs ?? 180_000);
    while (current.exit === undefined && clock.monotonicMs() < deadlineMs) {
      if (await options.isReady().catch(() => false)) return current.exit === undefined;
      await clock.sleep(readyPollMs);
    }
    return false;
  }

  async function end(current: Run, how: "stop" | "kill"): Promise<void> {
    if (current.exit !== undefined) return;
    if (options.end) await options.end(how);
    else current.child.kill(how === "stop" ? options.stopSignal : "SIGKILL");
    if (how === "kill") {
      await current.exited;
      return;
    }
    const giveUp = new AbortController();
    const outcome = await Promise.race([
      current.exited.then(() => "ended" as const),
      clock.sleep(options.stopTimeoutMs ?? 20_000, giveUp.signal).then(
        () => "hangs" as const,
        () => "ended" as const,
      ),
    ]);
    giveUp.abort();
    if (outcome === "hangs") await end(current, "kill");
  }

  async function startFailed(exit: ProcessExit | undefined): Promise<DrawbridgeError> {
    const log = await readFile(options.logFile, "utf8").catch(() => "");
    const how = exit
      ? `ended (exit code ${exit.code ?? "none"}, signal ${exit.signal ?? "none"})`
      : "was not ready in time";
    return new DrawbridgeError({
      kind: "unavailable",
      code: "LOCAL_START_FAILED",
      message: `${options.name} ${how}. The last lines of ${options.logFile}:\n${log.trimEnd().split("\n").slice(-8).join("\n")}`,
      details: { process: options.name, logFile: options.logFile },
    });
  }

  const stop = async (how: "stop" | "kill"): Promise<void> => {
    if (run) await end(run, how);
  };

  return {
    name: options.name,
    logFile: options.logFile,
    get pid() {
      return isRunning() ? run?.child.pid : undefined;
    },
    get exited() {
      return run?.exited ?? Promise.resolve({ code: null, signal: null });
    },
    start,
    stop: () => stop("stop"),
    kill: () => stop("kill"),
    restart: async () => {
      await stop("stop");
      await start();
    },
  };
}

/** The process and what else is known of it, in one object; `pid` and `exited` stay live. */
export function withFacts<Facts extends object>(managed: ManagedProcess, facts: Facts): ManagedProcess & Facts {
  const target = { ...managed, ...facts };
  return Object.defineProperties(target, {
    pid: { enumerable: true, get: () => managed.pid },
    exited: { enumerable: true, get: () => managed.exited },
  });
}

/**
 * Detached, so that a Ctrl-C in the terminal reaches the owner only, who stops things in order: a database that is gone
 * before its clients turns an orderly stop into a page of errors.
 */
function launch(plan: LaunchPlan, logFile: string): Run {
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(plan.command, plan.args, {
    detached: true,
    stdio: ["ignore", log, log],
    ...(plan.env === undefined ? {} : { env: plan.env }),
    ...(plan.cwd === undefined ? {} : { cwd: plan.cwd }),
    ...(plan.uid === undefined ? {} : { uid: plan.uid }),
    ...(plan.gid === undefined ? {} : { gid: plan.gid }),
  });
  closeSync(log);
  const ended = Promise.withResolvers<ProcessExit>();
  const run: Run = { child, exited: ended.promise, exit: undefined };
  const finish = (exit: ProcessExit): void => {
    run.exit = exit;
    ended.resolve(exit);
  };
  child.once("exit", (code, signal) => finish({ code, signal }));
  child.once("error", () => finish({ code: null, signal: null }));
  return run;
}
