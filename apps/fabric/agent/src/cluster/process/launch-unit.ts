import { execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chmod, chown, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  initialUnitState,
  isAlive,
  readUnitState,
  shimArgument,
  unitPaths,
  type UnitPaths,
  type UnitSpec,
  writeStateFile,
  writeUnitSpec,
} from "@drawbridge/app-routes";
import { DrawbridgeError } from "@drawbridge/errors";
import { fifoError, translateWriteError } from "./driver-errors.ts";
import type { ResolvedOptions } from "./driver-options.ts";
import { compileCache, runtimeFlags } from "./unit-specs.ts";

/** Begins the name of a unit folder that is being made. */
export const unfinishedPrefix = ".new-";

const run = promisify(execFile);
/** One that ends says so at once; a machine that others keep busy is no reason to end what is starting. */
const startTimeoutMs = 60_000;
const pollMs = 20;
/** A shim keeps a few files and one process: its heap needs no more. */
const shimFlags = [...runtimeFlags, "--max-old-space-size=64", "--max-semi-space-size=1"];

/**
 * Make the folder of a unit: whole, or not at all. The state file is there from the start, so that a shim has blocks to write
 * to when the disk is full later.
 *
 * @throws DrawbridgeError `DISK_FULL` (resource_exhausted) | `STATE_NOT_WRITABLE` (failed_precondition)
 */
export async function createUnitFolder(
  directory: string,
  spec: UnitSpec,
  more: (paths: UnitPaths) => void = () => undefined,
): Promise<void> {
  const temporary = join(dirname(directory), `${unfinishedPrefix}${spec.unitId}`);
  const paths = unitPaths(temporary);
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true, mode: 0o711 });
    await mkdir(paths.home, { mode: 0o700 });
    await mkdir(paths.logs, { mode: 0o700 });
    writeUnitSpec(paths, spec);
    writeStateFile(paths.state, initialUnitState);
    await writeFile(paths.shimLog, "", { mode: 0o600 });
    more(paths);
    await makeFifos([paths.stdout, paths.stderr]);
    if (spec.runAs !== undefined) {
      await chmod(temporary, 0o711); // whatever the umask was: the app passes through to its home
      // The FIFOs too: a program that opens /dev/stdout opens them anew as its own user.
      for (const path of [paths.home, paths.stdout, paths.stderr]) await chown(path, spec.runAs.uid, spec.runAs.gid);
    }
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw translateWriteError(error, directory); // a DrawbridgeError stays what it is
  }
}

/**
 * Start the shim of a unit in a session of its own and wait until it has recorded itself. `secrets` go through its stdin;
 * without them it watches what runs but starts nothing.
 *
 * @throws DrawbridgeError `SHIM_NOT_STARTED` (internal)
 */
export async function startShim(
  directory: string,
  secrets: Readonly<Record<string, string>> | undefined,
  options: Pick<ResolvedOptions, "entryPoints" | "appPath" | "clock" | "stateDirectory">,
): Promise<void> {
  const { clock } = options;
  const paths = unitPaths(directory);
  const log = openSync(paths.shimLog, "a", 0o600);
  const shim = spawn(process.execPath, [...shimFlags, options.entryPoints.shim, shimArgument(directory)], {
    cwd: directory,
    env: { PATH: options.appPath, ...compileCache(options.stateDirectory) },
    detached: true,
    stdio: ["pipe", log, log],
  });
  closeSync(log);
  let failure: string | undefined;
  shim.once("error", (error: NodeJS.ErrnoException) => (failure = error.code ?? "unknown"));
  shim.once("exit", (code, signal) => (failure = signal ?? `exit ${code ?? 0}`));
  shim.stdin?.on("error", () => undefined); // it died first: the exit says so
  shim.stdin?.end(JSON.stringify(secrets ?? null));
  shim.unref();

  const deadlineMs = clock.monotonicMs() + startTimeoutMs;
  for (;;) {
    const recorded = readUnitState(paths)?.shim;
    if (recorded?.pid === shim.pid && isAlive(recorded)) return;
    if (recorded?.pid === shim.pid && readUnitState(paths)?.phase === "stopped") return; // started, and done already
    if (failure !== undefined || clock.monotonicMs() > deadlineMs) break;
    await clock.sleep(pollMs);
  }
  throw new DrawbridgeError({
    kind: "internal",
    code: "SHIM_NOT_STARTED",
    message: `The supervisor of a process did not start (${failure ?? "no sign of life"}); see ${paths.shimLog}.`,
    details: { reason: "SupervisorNotStarted" },
  });
}

async function makeFifos(paths: readonly string[]): Promise<void> {
  try {
    await run("mkfifo", ["-m", "600", ...paths]);
  } catch (error) {
    throw fifoError(dirname(paths[0] ?? ""), error);
  }
}
