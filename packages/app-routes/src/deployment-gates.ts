import { jsonFields, type JsonFields } from "./json-fields.ts";

/** What decides about the gates of one deployment. */
export interface DeploymentGates {
  /** In the manifest. */
  readonly runtimeVersion: string | undefined;
  readonly level: GatekeeperLevel;
  /** "app", "environment", "fabric" or "runtime version 4.1.0". */
  readonly levelSource: string;
  /** In the manifest: what the gates of this deployment are for. */
  readonly apis: readonly BoundApi[];
}

const gatekeeperLevels = ["strict", "flexible", "disabled"] as const;
export type GatekeeperLevel = (typeof gatekeeperLevels)[number];

export interface BoundApi {
  readonly name: string;
  readonly version: string;
  /** "/" or "/orders". */
  readonly basePath: string;
  /** Tracked ones, with methods in upper case or "*" and paths below the base path; none: everything below it. */
  readonly resources: readonly { readonly method: string; readonly path: string }[];
}

/** @throws TypeError for a level that is none of ours: nothing is guessed */
export function gatesFrom(json: JsonFields): DeploymentGates {
  return {
    runtimeVersion: json.optional("runtimeVersion", json.text),
    level: json.oneOf("level", gatekeeperLevels),
    levelSource: json.text("levelSource"),
    apis: json.list("apis", boundApiFrom),
  };
}

function boundApiFrom(value: unknown): BoundApi {
  const json = jsonFields(value);
  return {
    name: json.text("name"),
    version: json.text("version"),
    basePath: json.text("basePath"),
    resources: json.list("resources", (item) => {
      const resource = jsonFields(item);
      return { method: resource.text("method"), path: resource.text("path") };
    }),
  };
}
