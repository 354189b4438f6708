import type { ReplicaKey } from "./app-reading.ts";

/** Which replicas fabrics have told of lately: what a fabric may make the store keep apart is bounded. */
export interface FabricSeries {
  /** False when the fabric has told of as many replicas lately as it may, and this is another. */
  admit(fabricId: string, replica: ReplicaKey): boolean;
}

/** A replica that was not heard of for so long makes room. */
const forgottenAfterMs = 3_600_000;

export function createFabricSeries(options: {
  readonly maxReplicas: number;
  readonly monotonicMs: () => number;
}): FabricSeries {
  /** When each was heard of last, longest ago first. */
  const fabrics = new Map<string, Map<string, number>>();

  return {
    admit: (fabricId, { environment, app, replica }) => {
      const nowMs = options.monotonicMs();
      let heardOf = fabrics.get(fabricId);
      if (heardOf === undefined) fabrics.set(fabricId, (heardOf = new Map()));
      const key = `${environment} ${app} ${replica}`;
      if (!heardOf.delete(key) && heardOf.size >= options.maxReplicas) {
        for (const [longestAgo, atMs] of heardOf) {
          if (nowMs - atMs < forgottenAfterMs) break;
          heardOf.delete(longestAgo);
        }
        if (heardOf.size >= options.maxReplicas) return false;
      }
      heardOf.set(key, nowMs);
      return true;
    },
  };
}
