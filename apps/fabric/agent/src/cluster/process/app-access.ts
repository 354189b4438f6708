import { chmodSync, chownSync, existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { readUnitSpec, readUnitState, unitPaths } from "@drawbridge/app-routes";
import { linkUnpackedBundle, removeAbandonedUnpacks, removeUnpackedBundle } from "@drawbridge/bundle";
import type { DesiredApp } from "../cluster-driver.ts";
import { appPaths, listAppIds, listUnitIds, readAppRecord, type AppPaths } from "./app-folder.ts";
import type { RunAs } from "./app-users.ts";
import { noFreeUserError } from "./driver-errors.ts";
import type { ResolvedOptions } from "./driver-options.ts";
import { updateAppRecord } from "./public-port.ts";

/*
 * What an app that runs as another user may get to, and nothing else of the state folder: its own folder is open to its group
 * alone, to pass through; in it a bundle of its own, to read, and per replica a home, to write, and the FIFOs of its output.
 */

/**
 * The user of an app, kept for its life where each app has its own. `undefined`: the agent's.
 *
 * @throws DrawbridgeError `APP_USERS_EXHAUSTED` (resource_exhausted)
 */
export function resolveRunAs(
  appId: string,
  paths: AppPaths,
  { appUsers, stateDirectory }: Pick<ResolvedOptions, "appUsers" | "stateDirectory">,
): RunAs | undefined {
  switch (appUsers.kind) {
    case "agent":
      return undefined;
    case "shared":
      return appUsers.runAs;
    case "own": {
      const { from, to } = appUsers;
      const known = readAppRecord(paths)?.uid;
      const uid =
        known !== undefined && known >= from && known <= to ? known : chooseUid(appId, { from, to }, stateDirectory);
      updateAppRecord(paths, { uid }); // claimed in the same turn of the event loop in which it was found free
      return { uid, gid: uid };
    }
  }
}

/** Beginning at a place that the app's id gives, so that a number is seldom used again soon after its app was removed. */
function chooseUid(
  appId: string,
  range: { readonly from: number; readonly to: number },
  stateDirectory: string,
): number {
  const taken = new Set(
    listAppIds(stateDirectory).map((other) =>
      other === appId ? undefined : readAppRecord(appPaths(stateDirectory, other))?.uid,
    ),
  );
  const size = range.to - range.from + 1;
  const start = Number.parseInt(appId.replaceAll(/[^0-9a-f]/g, "").slice(-8) || "0", 16) % size;
  for (let step = 0; step < size; step += 1) {
    const uid = range.from + ((start + step) % size);
    if (!taken.has(uid)) return uid;
  }
  throw noFreeUserError(range);
}

/** Let the app's group, and nobody else, pass through its folder. */
export function openFolderTo(runAs: RunAs | undefined, paths: AppPaths): void {
  if (runAs === undefined) return;
  chownSync(paths.directory, process.geteuid?.() ?? 0, runAs.gid);
  chmodSync(paths.directory, 0o710);
  for (const folder of [paths.replicas, paths.fronts]) chmodSync(folder, 0o711); // whatever the umask was
}

/** Where the app finds its bundle: the agent's own copy, or links to it in its own folder. */
export async function placeBundle(
  app: Pick<DesiredApp, "bundleDirectory">,
  paths: AppPaths,
  runAs: RunAs | undefined,
): Promise<string> {
  if (runAs === undefined) return app.bundleDirectory;
  await mkdir(paths.bundles, { recursive: true });
  chmodSync(paths.bundles, 0o711);
  const target = join(paths.bundles, basename(app.bundleDirectory));
  await linkUnpackedBundle(app.bundleDirectory, target);
  return target;
}

/** Remove the bundles in the app's folder that none of its replicas runs from, and what a killed agent left half done. */
export async function removeUnusedBundles(paths: AppPaths): Promise<void> {
  if (!existsSync(paths.bundles)) return;
  const units = listUnitIds(paths.replicas).map((unitId) => unitPaths(join(paths.replicas, unitId)));
  const running = units.filter((unit) => readUnitState(unit)?.phase !== "stopped");
  const used = new Set(running.map((unit) => readUnitSpec(unit)?.workingDirectory));
  await removeAbandonedUnpacks(paths.bundles);
  for (const path of listUnitIds(paths.bundles).map((name) => join(paths.bundles, name)))
    if (!used.has(path)) await removeUnpackedBundle(path);
}
