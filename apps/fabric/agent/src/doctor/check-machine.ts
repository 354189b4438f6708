import { access, constants, mkdir, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import type { AppUsers } from "../cluster/process/app-users.ts";
import { assertMayRunAs } from "../cluster/process/check-app-users.ts";
import { assertCgroupParent } from "../cluster/process/check-cgroup.ts";
import { errorCodeOf } from "../state/atomic-file.ts";
import { check, type Finding } from "./check.ts";

/** Room for a bundle and what it unpacks to. */
const leastFreeBytes = 256 * 2 ** 20;

export async function checkMachine(options: {
  readonly stateDirectory: string;
  readonly appUsers: () => AppUsers;
  readonly cgroupParent: string | undefined;
}): Promise<readonly Finding[]> {
  const { stateDirectory, appUsers, cgroupParent } = options;
  return [
    await check("state folder", () => checkStateFolder(stateDirectory)),
    await check("disk space", () => checkDiskSpace(stateDirectory)),
    await check("app user", () => Promise.resolve(assertMayRunAs(appUsers(), dirname(resolve(stateDirectory))))),
    cgroupParent === undefined
      ? {
          name: "cgroup",
          status: "skipped",
          detail: "none configured: a watchdog keeps memory limits, nothing keeps CPU limits",
        }
      : await check("cgroup", () => Promise.resolve(assertCgroupParent(cgroupParent))),
  ];
}

async function checkStateFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(`${folder} cannot be written to (${errorCodeOf(error)})`);
  }
  const mode = (await stat(folder)).mode & 0o777;
  if ((mode & 0o066) !== 0)
    throw unusable(`${folder} is open to other users (mode ${mode.toString(8)}); it holds private keys`);
  return `${folder} is writable and private`;
}

async function checkDiskSpace(folder: string): Promise<string> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const free = `${Math.floor(freeBytes / 2 ** 20)} MiB free`;
  if (freeBytes >= leastFreeBytes) return free;
  throw new DrawbridgeError({
    kind: "resource_exhausted",
    code: "DISK_FULL",
    message: `${free} at ${folder}; bundles need at least ${leastFreeBytes / 2 ** 20} MiB`,
  });
}

function unusable(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code: "STATE_FOLDER_UNUSABLE", message });
}
