import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode, isDiskFull } from "@drawbridge/app-routes";
import { DrawbridgeError } from "@drawbridge/errors";
import type { FrontFailure, RolloutFailure } from "./plan-steps.ts";

/** Room that the files of one replica take before the app itself writes anything. */
const neededBytes = 262_144;

export function rolloutError(
  why: RolloutFailure,
  app: {
    readonly name: string;
    readonly revision: bigint;
    readonly readyTimeoutSeconds: number;
    readonly readinessPath: string;
  },
): DrawbridgeError {
  const subject = `revision ${app.revision} of ${app.name}`;
  if (why.kind === "crash_loop") {
    return new DrawbridgeError({
      kind: "failed_precondition",
      code: "APP_CRASH_LOOP",
      message:
        `${capitalised(subject)} ended ${why.exits} times before it was ready, last with "${why.lastExit}". ` +
        "Its log says why; fix the app and deploy again.",
      details: { reason: "CrashLoop", replicaId: why.replicaId, exits: String(why.exits), lastExit: why.lastExit },
    });
  }
  return new DrawbridgeError({
    kind: "deadline_exceeded",
    code: "APP_NOT_READY",
    message:
      `${capitalised(subject)} did not become ready within ${app.readyTimeoutSeconds} s: GET ${app.readinessPath} on its ` +
      "first port must answer 200 to 399. Check that it listens on the port of its environment, or allow it more time.",
    details: { reason: "NotReady", replicaId: why.replicaId },
  });
}

export function gatewayError(lastExit: string, app: { readonly name: string; readonly log: string }): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "GATEWAY_NOT_STARTED",
    message:
      `The gateway does not start (last: ${lastExit || "unknown"}), and nothing else may serve ${app.name}, ` +
      `which has tracked APIs. See ${app.log}; it is tried again.`,
    details: { reason: "GatewayDown" },
  });
}

export function frontError(why: FrontFailure, app: { readonly name: string; readonly port: number }): DrawbridgeError {
  if (why.kind === "cannot_listen") {
    return new DrawbridgeError({
      kind: "failed_precondition",
      code: "PORT_UNAVAILABLE",
      message: `Port ${app.port} of ${app.name} cannot be served (${why.code}). Choose another port.`,
      details: { reason: "PortUnavailable", port: String(app.port) },
    });
  }
  return portInUseError({ ...app, holder: why.holder });
}

/** `holder`: who has it, empty if unknown. */
export function portInUseError(options: {
  readonly name: string;
  readonly port: number;
  readonly holder: string;
}): DrawbridgeError {
  const { name, port, holder } = options;
  const by = holder === "" ? "by another process" : `by ${holder}`;
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "PORT_IN_USE",
    message: `Port ${port} of ${name} is in use ${by}. Free it or choose another port.`,
    details: { reason: "PortInUse", port: String(port), ...(holder !== "" && { holder }) },
  });
}

export function noFreePortError(range: { readonly from: number; readonly to: number }): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "PORTS_EXHAUSTED",
    message: `Every port from ${range.from} to ${range.to} is taken. Widen the agent's range of public ports.`,
    details: { reason: "PortsExhausted" },
  });
}

export function noFreeUserError(range: { readonly from: number; readonly to: number }): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "APP_USERS_EXHAUSTED",
    message: `Every user from ${range.from} to ${range.to} has an app. Widen the range in DRAWBRIDGE_APP_USER, or remove an app.`,
    details: { reason: "AppUsersExhausted" },
  });
}

export function appNotFoundError(appId: string, replicaId?: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: replicaId === undefined ? "APP_NOT_FOUND" : "REPLICA_NOT_FOUND",
    message:
      replicaId === undefined
        ? `There is no app ${appId} in this fabric.`
        : `App ${appId} has no replica ${replicaId}; its logs may have been removed with it.`,
  });
}

/** What a failed write to the driver's own folder means; anything else as it is. */
export function translateWriteError(error: unknown, path: string): unknown {
  if (isDiskFull(error)) return diskFullError(path, error);
  const code = errorCode(error);
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return new DrawbridgeError({
      kind: "failed_precondition",
      code: "STATE_NOT_WRITABLE",
      message: `The agent may not write to ${path} (${code}). Give its user the right to, or choose another state folder.`,
      details: { reason: "StateNotWritable", path },
      cause: error,
    });
  }
  return error;
}

/** `mkfifo` says why it failed only in words, so the file system is asked. */
export function fifoError(directory: string, cause: unknown): DrawbridgeError {
  const free = freeSpace(directory);
  if (free !== undefined && (free.bytes === 0 || free.files === 0)) return diskFullError(directory, cause);
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "FIFO_NOT_CREATED",
    message: `mkfifo failed in ${directory}: the program is missing, or the file system cannot hold FIFOs.`,
    details: { reason: "FifoNotCreated", path: directory },
    cause,
  });
}

function diskFullError(path: string, cause: unknown): DrawbridgeError {
  const free = freeSpace(dirname(path));
  const freeText = free === undefined ? "" : `, ${free.bytes} are free`;
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "DISK_FULL",
    message: `The disk that holds ${path} is full: ${neededBytes} bytes are needed${freeText}. Free some space.`,
    details: { reason: "DiskFull", path, neededBytes: String(neededBytes) },
    cause,
  });
}

function freeSpace(path: string): { readonly bytes: number; readonly files: number } | undefined {
  try {
    const { bavail, bsize, ffree, files } = statfsSync(path);
    return { bytes: bavail * bsize, files: files === 0 ? 1 : ffree }; // 0 in all: a file system that does not count
  } catch {
    return undefined;
  }
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
