import { readdirSync } from "node:fs";
import { join } from "node:path";
import { decodeStateFile } from "./decode-state-file.ts";

/** What people call an app; of the driver's record of it. */
export interface AppNames {
  readonly appId: string;
  readonly name: string;
  readonly environmentName: string;
}

/** Folder of the driver's apps, under its state folder: in it one folder for each app, by its id. */
export function appsDirectory(stateDirectory: string): string {
  return join(stateDirectory, "apps");
}

/** The driver's record of an app, in the app's folder. */
export function appRecordPath(appDirectory: string): string {
  return join(appDirectory, "app.json");
}

/** `undefined` if the app is not known, or while its record is overwritten on a full disk. */
export function readAppNames(appDirectory: string): AppNames | undefined {
  return decodeStateFile(appRecordPath(appDirectory), (json) => ({
    appId: json.text("appId"),
    name: json.text("name"),
    environmentName: json.text("environmentName"),
  }));
}

/** Names of the folders of apps or of units; what begins with a dot is not finished. */
export function listFolders(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map((entry) => entry.name);
  } catch {
    return []; // none yet
  }
}
