import { join } from "node:path";
import { decodeStateFile } from "./decode-state-file.ts";
import { refFrom } from "./process-ref-from-json.ts";
import type { ProcessRef } from "./process-table.ts";
import { writeStateFile } from "./state-file.ts";

/** Written by the driver, once: what this front serves. */
export interface FrontConfig {
  readonly appName: string;
  readonly address: string;
  readonly port: number;
  readonly endpointsPath: string;
  /** Folder of the replicas' unit folders. */
  readonly replicasDirectory: string;
}

/** Written by the front, or for an app that it serves by the gateway. */
export interface FrontStatus {
  readonly process: ProcessRef | undefined;
  readonly phase: "starting" | "listening" | "port_in_use" | "cannot_listen" | "stopping";
  /** Who has the port, or the system's error code; empty where there is nothing to say. */
  readonly detail: string;
  /** Endpoints that are in force. */
  readonly sequence: number;
  /** Requests under way at replicas that get no new ones. */
  readonly draining: Readonly<Record<string, number>>;
  /** Of a gateway: gates of the app through which it lets nothing. */
  readonly closedGates?: number | undefined;
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

export const writeFrontConfig = (path: string, config: FrontConfig): void => writeStateFile(path, config);
export const writeFrontStatus = (path: string, status: FrontStatus): void => writeStateFile(path, status);

export function readFrontConfig(path: string): FrontConfig | undefined {
  return decodeStateFile(path, (json) => ({
    appName: json.text("appName"),
    address: json.text("address"),
    port: json.number("port"),
    endpointsPath: json.text("endpointsPath"),
    replicasDirectory: json.text("replicasDirectory"),
  }));
}

export function readFrontStatus(path: string): FrontStatus | undefined {
  return decodeStateFile(path, (json) => ({
    process: json.optional("process", (name) => refFrom(json.fields(name))),
    phase: json.oneOf("phase", ["starting", "listening", "port_in_use", "cannot_listen", "stopping"]),
    detail: json.text("detail"),
    sequence: json.number("sequence"),
    draining: json.numbers("draining"),
    closedGates: json.optional("closedGates", json.number),
  }));
}
