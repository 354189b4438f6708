import { join } from "node:path";
import {
  appRecordPath,
  appsDirectory,
  endpointsPath,
  gatewayDirectory,
  gatewayPaths,
  jsonFields,
  listFolders,
  readStateFile,
  writeStateFile,
} from "@drawbridge/app-routes";

const appIdPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;

/** Is it safe to name a folder after it? */
export function isAppId(text: string): boolean {
  return appIdPattern.test(text);
}

/** Everything that the driver keeps of one app. */
export function appPaths(stateDirectory: string, appId: string) {
  const directory = join(appsDirectory(stateDirectory), appId);
  return {
    appId,
    directory,
    /** What all apps share with the gateway. */
    gateway: gatewayPaths(gatewayDirectory(stateDirectory)),
    /** The gateway says here how it serves the app. */
    gatewayStatus: join(directory, "gateway-status.json"),
    record: appRecordPath(directory),
    endpoints: endpointsPath(directory),
    replicas: join(directory, "replicas"),
    fronts: join(directory, "fronts"),
    /** Only where the app runs as another user, to whom the agent's own bundles are closed. */
    bundles: join(directory, "bundles"),
  } as const;
}

export type AppPaths = ReturnType<typeof appPaths>;

export function unitDirectory(paths: AppPaths, kind: "replica" | "front", unitId: string): string {
  return join(kind === "replica" ? paths.replicas : paths.fronts, unitId);
}

export function listAppIds(stateDirectory: string): readonly string[] {
  return listFolders(appsDirectory(stateDirectory)).filter(isAppId);
}

/** Names of unit folders; what begins with a dot is not finished. */
export function listUnitIds(directory: string): readonly string[] {
  return listFolders(directory);
}

/** What outlives every replica of an app. */
export interface AppRecord {
  readonly appId: string;
  readonly name: string;
  readonly environmentName: string;
  /** Kept for the app's life, also while it is stopped. */
  readonly port: number | undefined;
  /** A front has listened on it: clients may know it, so that the driver does not choose another. */
  readonly isPortInUse: boolean;
  /** The app's own user and group, where each app has one; kept for its life. */
  readonly uid: number | undefined;
  readonly appliedSpecDigest: string;
  readonly appliedGeneration: bigint;
}

export function writeAppRecord(paths: AppPaths, record: AppRecord): void {
  writeStateFile(paths.record, {
    ...record,
    isPortInUse: record.isPortInUse ? "yes" : "no",
    appliedGeneration: String(record.appliedGeneration),
  });
}

/** `undefined` if the app is not known here. */
export function readAppRecord(paths: AppPaths): AppRecord | undefined {
  const value = readStateFile(paths.record);
  if (value === undefined) return undefined;
  try {
    const json = jsonFields(value);
    return {
      appId: json.text("appId"),
      name: json.text("name"),
      environmentName: json.text("environmentName"),
      port: json.optional("port", json.number),
      isPortInUse: json.oneOf("isPortInUse", ["yes", "no"]) === "yes",
      uid: json.optional("uid", json.number),
      appliedSpecDigest: json.text("appliedSpecDigest"),
      appliedGeneration: BigInt(json.text("appliedGeneration")),
    };
  } catch {
    return undefined; // cut short by a crash: applied again, it is written again
  }
}
