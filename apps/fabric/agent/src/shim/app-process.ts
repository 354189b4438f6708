import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  findByEnvironment,
  isAlive,
  processFamily,
  processRef,
  type ProcessRef,
  sendSignal,
} from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import type { AppExit } from "./describe-exit.ts";

/** How often an adopted process, of which no exit is signalled, is looked at. */
const adoptedPollMs = 200;
const stopPollMs = 50;
/** Longest that a killed process may take to disappear (it may hang in the kernel). */
const killWaitMs = 5_000;

export interface AppProcess {
  /** Leader of its own session and process group. */
  readonly ref: ProcessRef;
  readonly exited: Promise<AppExit>;
}

export interface StartOptions {
  readonly command: readonly string[];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly stdout: number;
  readonly stderr: number;
  readonly runAs: { readonly uid: number; readonly gid: number } | undefined;
}

export async function startApp(options: StartOptions): Promise<AppProcess | Extract<AppExit, { kind: "not_started" }>> {
  const [program = "", ...args] = options.command;
  const child = spawn(program, args, {
    cwd: options.workingDirectory,
    env: { ...options.environment },
    detached: true, // setsid: its own group to signal, no terminal
    stdio: ["ignore", options.stdout, options.stderr],
    ...options.runAs, // also clears the supplementary groups (libuv, uv_spawn)
  });
  const exited = new Promise<AppExit>((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "signalled", signal });
    });
  });
  if (child.pid === undefined) {
    const [error] = (await once(child, "error").catch((thrown: unknown) => [thrown])) as readonly unknown[];
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    return { kind: "not_started", reason: code };
  }
  child.on("error", () => undefined); // a failed kill: the caller looks at the process itself
  // Cannot be undefined: until the event loop runs again nobody has read its exit.
  const ref = processRef(child.pid);
  if (ref === undefined) return { kind: "not_started", reason: "gone" };
  return { ref, exited };
}

/** Watch a process that an earlier shim started. */
export function adoptApp(ref: ProcessRef, clock: Clock): AppProcess {
  async function waitForExit(): Promise<AppExit> {
    while (isAlive(ref)) await clock.sleep(adoptedPollMs);
    return { kind: "unobserved" };
  }
  return { ref, exited: waitForExit() };
}

/**
 * End a process and all that came of it: SIGTERM to each, up to `graceMs` to finish, then SIGKILL. Also what left the
 * process group, found by the variables of `marker` in its environment. Afterwards none of them lives.
 */
export async function endProcesses(options: {
  readonly leader: ProcessRef | undefined;
  readonly marker: Readonly<Record<string, string>>;
  readonly graceMs: number;
  readonly clock: Clock;
}): Promise<void> {
  const { leader, marker, clock } = options;
  const members = (): readonly number[] => {
    const family = leader === undefined ? [] : processFamily(leader);
    return [...new Set([...family, ...findByEnvironment(marker)])];
  };

  if (options.graceMs > 0) {
    for (const pid of members()) sendSignal(pid, "SIGTERM");
    const graceEndsAt = clock.monotonicMs() + options.graceMs;
    // While the leader lives there is no need to look at every process of the machine.
    while (clock.monotonicMs() < graceEndsAt && (isAlive(leader) || members().length > 0))
      await clock.sleep(stopPollMs);
  }
  const giveUpAt = clock.monotonicMs() + killWaitMs;
  for (let left = members(); left.length > 0 && clock.monotonicMs() < giveUpAt; left = members()) {
    for (const pid of left) sendSignal(pid, "SIGKILL");
    await clock.sleep(stopPollMs);
  }
}
