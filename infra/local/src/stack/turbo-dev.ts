import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { cleanEnvironment, repositoryRoot } from "./child.ts";
import type { StackLayout } from "./layout.ts";

/** `turbo run dev` over the services: each waits for its environment file, runs, and is started again when it dies. */
export interface TurboDev {
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

const stopTimeoutMs = 40_000;

export function startTurboDev(layout: StackLayout): TurboDev {
  const log = openSync(layout.logFile("turbo"), "a", 0o600);
  let turbo: ChildProcess;
  try {
    turbo = spawn(
      join(repositoryRoot, "node_modules/.bin/turbo"),
      [
        "run",
        "dev",
        "--filter=./apps/control-plane/*",
        "--filter=./apps/fabric/*",
        "--ui=stream",
        "--env-mode=loose",
        "--no-daemon",
      ],
      {
        cwd: repositoryRoot,
        // A group of its own: Ctrl-C in the terminal reaches us, and we stop things in order.
        detached: true,
        stdio: ["ignore", log, log],
        env: {
          ...cleanEnvironment(),
          DRAWBRIDGE_STATE_DIR: layout.root,
          TURBO_TELEMETRY_DISABLED: "1",
          DO_NOT_TRACK: "1",
        },
      },
    );
  } finally {
    closeSync(log);
  }
  const exited = once(turbo, "exit");
  const signalGroup = (signal: NodeJS.Signals): void => {
    if (turbo.pid === undefined) return;
    try {
      process.kill(-turbo.pid, signal);
    } catch {
      // the group is gone
    }
  };
  return {
    exited,
    stop: async () => {
      if (turbo.exitCode === null && turbo.signalCode === null) signalGroup("SIGTERM");
      const timer = setTimeout(() => signalGroup("SIGKILL"), stopTimeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
