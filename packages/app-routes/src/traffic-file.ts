import { join } from "node:path";
import { decodeStateFile } from "./decode-state-file.ts";
import { jsonFields } from "./json-fields.ts";
import { writeStateFile } from "./state-file.ts";

/** Requests that went to one replica since the file was begun; it outlives the process that writes it. */
export interface ReplicaTraffic {
  readonly appId: string;
  readonly replicaId: string;
  /** Over, however they ended. */
  readonly requests: number;
  /** Of these: answered with 500 or above, or not to the end. A client that leaves is none. */
  readonly errors: number;
  /** All of them together, from the choice of the replica to the last byte. */
  readonly durationMs: number;
}

/** In a front's unit folder and in a gateway's own folder: written by it, read by whoever watches apps. */
export function trafficPath(directory: string): string {
  return join(directory, "traffic.json");
}

/** What one front or gateway has counted. */
export interface Traffic {
  /** When the file was begun: a process that takes the place of another goes on with its counters. */
  readonly since: Date;
  readonly replicas: readonly ReplicaTraffic[];
}

export const writeTraffic = (path: string, traffic: Traffic): void => writeStateFile(path, traffic);

/** `undefined` while there is none, or while it is overwritten on a full disk. */
export function readTraffic(path: string): Traffic | undefined {
  return decodeStateFile(path, (json) => ({
    since: json.date("since"),
    replicas: json.list("replicas", (item): ReplicaTraffic => {
      const replica = jsonFields(item);
      return {
        appId: replica.text("appId"),
        replicaId: replica.text("replicaId"),
        requests: replica.number("requests"),
        errors: replica.number("errors"),
        durationMs: replica.number("durationMs"),
      };
    }),
  }));
}
