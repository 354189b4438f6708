import { join } from "node:path";
import { decodeStateFile } from "./decode-state-file.ts";
import { gatesFrom, type DeploymentGates } from "./deployment-gates.ts";
import { jsonFields, textItem } from "./json-fields.ts";
import { writeStateFile } from "./state-file.ts";

/** Written by the driver: which replicas may get requests. Whether they are ready their own state files say. */
export interface Endpoints {
  /** Grows with every change. */
  readonly sequence: number;
  /** Folders of the replicas' units, by their last path segment, the replica id. */
  readonly replicaIds: readonly string[];
  /** The same replicas by deployment, newest first, for the gateway; none for an app that a front serves. */
  readonly deployments: readonly DeploymentEndpoints[];
}

/** The replicas that one deploy, restart or roll-back made. */
export interface DeploymentEndpoints extends DeploymentGates {
  /** Changes with every deploy, restart and roll-back; neither with scaling nor with a crash. */
  readonly key: string;
  readonly revision: string;
  readonly replicaIds: readonly string[];
}

export function endpointsPath(appDirectory: string): string {
  return join(appDirectory, "endpoints.json");
}

export const writeEndpoints = (path: string, endpoints: Endpoints): void => writeStateFile(path, endpoints);

/** `undefined` while there is none, or while it is being overwritten on a full disk. */
export function readEndpoints(path: string): Endpoints | undefined {
  return decodeStateFile(path, (json) => ({
    sequence: json.number("sequence"),
    replicaIds: json.list("replicaIds", textItem),
    deployments: json.optional("deployments", (name) => json.list(name, deploymentFrom)) ?? [],
  }));
}

function deploymentFrom(value: unknown): DeploymentEndpoints {
  const json = jsonFields(value);
  return {
    key: json.text("key"),
    revision: json.text("revision"),
    replicaIds: json.list("replicaIds", textItem),
    ...gatesFrom(json),
  };
}
