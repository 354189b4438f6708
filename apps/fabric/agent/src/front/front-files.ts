import { join } from "node:path";
import { jsonFields, textItem } from "../shim/json-fields.ts";
import type { ProcessRef } from "../shim/process-table.ts";
import { readStateFile, writeStateFile } from "../shim/state-file.ts";
import { refFrom } from "../shim/unit-files.ts";

/** Written by the driver: which replicas may get requests. Whether they are ready their own state files say. */
export interface Endpoints {
  /** Grows with every change. */
  readonly sequence: number;
  /** Folders of the replicas' units, by their last path segment, the replica id. */
  readonly replicaIds: readonly string[];
}

/** Written by the driver, once: what this front serves. */
export interface FrontConfig {
  readonly appName: string;
  readonly address: string;
  readonly port: number;
  readonly endpointsPath: string;
  /** Folder of the replicas' unit folders. */
  readonly replicasDirectory: string;
}

/** Written by the front. */
export interface FrontStatus {
  readonly process: ProcessRef | undefined;
  readonly phase: "starting" | "listening" | "port_in_use" | "cannot_listen" | "stopping";
  /** Who has the port, or the system's error code; empty where there is nothing to say. */
  readonly detail: string;
  /** Endpoints that are in force. */
  readonly sequence: number;
  /** Requests under way at replicas that get no new ones. */
  readonly draining: Readonly<Record<string, number>>;
}

export function endpointsPath(appDirectory: string): string {
  return join(appDirectory, "endpoints.json");
}

export function frontConfigPath(unitDirectory: string): string {
  return join(unitDirectory, "front.json");
}

export function frontStatusPath(unitDirectory: string): string {
  return join(unitDirectory, "front-status.json");
}

/** Argument that tells a front its unit folder. */
export function frontArgument(unitDirectory: string): string {
  return `--front=${unitDirectory}`;
}

export const writeEndpoints = (path: string, endpoints: Endpoints): void => writeStateFile(path, endpoints);
export const writeFrontConfig = (path: string, config: FrontConfig): void => writeStateFile(path, config);
export const writeFrontStatus = (path: string, status: FrontStatus): void => writeStateFile(path, status);

/** `undefined` while there is none, or while it is being overwritten on a full disk. */
export function readEndpoints(path: string): Endpoints | undefined {
  return read(path, (json) => ({ sequence: json.number("sequence"), replicaIds: json.list("replicaIds", textItem) }));
}

export function readFrontConfig(path: string): FrontConfig | undefined {
  return read(path, (json) => ({
    appName: json.text("appName"),
    address: json.text("address"),
    port: json.number("port"),
    endpointsPath: json.text("endpointsPath"),
    replicasDirectory: json.text("replicasDirectory"),
  }));
}

export function readFrontStatus(path: string): FrontStatus | undefined {
  return read(path, (json) => ({
    process: json.optional("process", (name) => refFrom(json.fields(name))),
    phase: json.oneOf("phase", ["starting", "listening", "port_in_use", "cannot_listen", "stopping"]),
    detail: json.text("detail"),
    sequence: json.number("sequence"),
    draining: json.numbers("draining"),
  }));
}

function read<T>(path: string, decode: (json: ReturnType<typeof jsonFields>) => T): T | undefined {
  const value = readStateFile(path);
  if (value === undefined) return undefined;
  try {
    return decode(jsonFields(value));
  } catch {
    return undefined; // written by a version that we do not know
  }
}
