import { DrawbridgeError } from "@drawbridge/errors";
import { createJwsSigner, type IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import type { FabricId } from "../domain/ids.ts";
import type { SnapshotRepository } from "../store/snapshots.ts";
import { loadedSnapshot, type LoadedSnapshot } from "./snapshot-to-proto.ts";

/** Snapshots that are kept because somebody will fetch them in a moment; the marks of all sessions live in the sessions. */
const keptBytes = 32 * 1024 * 1024;

export const snapshotJwsType = "drawbridge-snapshot+jws";

export interface SnapshotCache {
  /**
   * The snapshot at `atLeast` or later; read from the database unless it is here. undefined when the fabric is gone.
   * @throws DrawbridgeError `STORE_UNAVAILABLE`
   */
  load(fabricId: FabricId, atLeast: bigint | "now"): Promise<LoadedSnapshot | undefined>;
  /** Signed with the identity of this service. */
  sign(snapshot: LoadedSnapshot): string;
}

/**
 * Invariants: nothing is answered that was not read from the database, so an empty snapshot is a true one; a snapshot
 * never replaces one of a higher generation; two who ask for one fabric at once cause one read.
 */
export function createSnapshotCache(snapshots: SnapshotRepository, identity: IdentityHolder): SnapshotCache {
  const kept = new Map<FabricId, LoadedSnapshot>();
  const reading = new Map<FabricId, Promise<LoadedSnapshot | undefined>>();
  let bytes = 0;
  let signing: { readonly identity: IdentitySnapshot; readonly sign: (payload: Uint8Array) => string } | undefined;

  /** Of the identity in use: a new one has a new key. */
  function sign(payload: Uint8Array): string {
    const current = identity.get();
    if (signing?.identity !== current) {
      signing = { identity: current, sign: createJwsSigner({ signer: current, type: snapshotJwsType }) };
    }
    return signing.sign(payload);
  }

  function forget(fabricId: FabricId): void {
    bytes -= kept.get(fabricId)?.payload.length ?? 0;
    kept.delete(fabricId);
  }

  function keep(fabricId: FabricId, snapshot: LoadedSnapshot): LoadedSnapshot {
    const other = kept.get(fabricId);
    if (other && other.generation > snapshot.generation) return other;
    forget(fabricId);
    kept.set(fabricId, snapshot);
    bytes += snapshot.payload.length;
    for (const oldest of kept.keys()) {
      if (bytes <= keptBytes || oldest === fabricId) break;
      forget(oldest);
    }
    return snapshot;
  }

  async function read(fabricId: FabricId): Promise<LoadedSnapshot | undefined> {
    const desired = await snapshots.read(fabricId);
    if (desired) return keep(fabricId, loadedSnapshot(desired));
    forget(fabricId);
    return undefined;
  }

  /** A read that began before now may miss what was committed since: only a caller with a generation can share it. */
  async function shared(fabricId: FabricId, atLeast: bigint): Promise<LoadedSnapshot | undefined> {
    const underWay = reading.get(fabricId);
    if (underWay) {
      const snapshot = await underWay;
      if (!snapshot || snapshot.generation >= atLeast) return snapshot;
    }
    const mine = read(fabricId);
    reading.set(fabricId, mine);
    try {
      return await mine;
    } finally {
      if (reading.get(fabricId) === mine) reading.delete(fabricId);
    }
  }

  return {
    load: async (fabricId, atLeast) => {
      if (atLeast === "now") return read(fabricId);
      const here = kept.get(fabricId);
      return here && here.generation >= atLeast ? here : shared(fabricId, atLeast);
    },
    sign: (snapshot) => sign(snapshot.payload),
  };
}

export function snapshotNotReady(cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "SNAPSHOT_NOT_READY",
    message: "the record of desired state cannot be read now; try again",
    retryAfterMs: 2_000,
    cause,
  });
}
