import { Snapshot } from "@drawbridge/contracts/runtime/v1/app";
import { sha256Digest } from "../domain/spec-digest.ts";
import { specToProto } from "../rpc/app-to-proto.ts";
import type { DesiredFabric } from "../store/snapshots.ts";

/** A snapshot as it is signed: the bytes are the same for one generation, on every replica and after every restart. */
export interface LoadedSnapshot {
  readonly generation: bigint;
  /** "sha256:<hex>" over `payload`. */
  readonly digest: string;
  /** Protobuf JSON of drawbridge.runtime.v1.Snapshot. */
  readonly payload: Uint8Array;
}

export function loadedSnapshot(desired: DesiredFabric): LoadedSnapshot {
  const snapshot: Snapshot = {
    fabricId: desired.fabricId,
    incarnationId: desired.incarnationId,
    generation: desired.generation,
    complete: true,
    apps: desired.live.map((app) => specToProto(app)),
    tombstones: desired.deleting.map(({ spec, life }) => ({
      appId: spec.appId,
      name: spec.name,
      deletedAt: life.deletedAt,
    })),
    pruneToken: desired.pruneToken,
    issuedAt: desired.generationAt,
  };
  const payload = Buffer.from(JSON.stringify(Snapshot.toJSON(snapshot)));
  return { generation: desired.generation, digest: sha256Digest(payload), payload };
}
