import type { DesiredSnapshot } from "./app-wish.ts";

/** The guard does not bother fabrics with fewer apps than this. */
const pruneGuardMinimum = 3;

export type SnapshotVerdict =
  | { readonly outcome: "accepted" }
  /** The same as what the agent works from. */
  | { readonly outcome: "unchanged" }
  | { readonly outcome: "refused"; readonly reason: SnapshotRefusal; readonly message: string };

export type SnapshotRefusal = "ForeignFabric" | "Incomplete" | "GenerationWentBack" | "PruneGuard";

export interface SnapshotContext {
  /** Fabric in the agent's certificate. */
  readonly fabricId: string;
  /** What the agent works from. */
  readonly current: DesiredSnapshot | undefined;
  /** Apps that exist in the fabric now, by id. */
  readonly existingAppIds: ReadonlySet<string>;
}

/**
 * Whether a snapshot, already verified as signed by runtime-manager, is taken over as the wish (design R16). A restored
 * control plane shows as a new incarnation and is compared afresh; within one incarnation the generation never goes back.
 * A wish to remove more than half of the apps (of three at least) needs a prune token.
 */
export function decideSnapshot(candidate: DesiredSnapshot, context: SnapshotContext): SnapshotVerdict {
  const { current } = context;
  if (candidate.fabricId !== context.fabricId) {
    return refused("ForeignFabric", `the snapshot is for fabric ${candidate.fabricId}, this is ${context.fabricId}`);
  }
  if (!candidate.isComplete || candidate.incarnationId === "") {
    return refused("Incomplete", "the snapshot does not say that it is complete");
  }
  if (current?.incarnationId === candidate.incarnationId) {
    if (candidate.generation < current.generation) {
      return refused(
        "GenerationWentBack",
        `the snapshot has generation ${candidate.generation}, the agent works from ${current.generation}`,
      );
    }
    if (candidate.digest === current.digest) return { outcome: "unchanged" };
  }
  // Apps that exist here without being in the snapshot do not count: runtime-manager does not know them when it decides
  // whether a token is due, and a guard that is stricter than the tokens would block honest deletes for ever.
  const removed = candidate.tombstones.filter(({ appId }) => context.existingAppIds.has(appId)).length;
  const all = candidate.apps.length + candidate.unusable.length + removed;
  if (all >= pruneGuardMinimum && removed * 2 > all && candidate.pruneToken === "") {
    return refused(
      "PruneGuard",
      `the snapshot of generation ${candidate.generation} would remove ${removed} of ${all} apps and has no prune token`,
    );
  }
  return { outcome: "accepted" };
}

function refused(reason: SnapshotRefusal, message: string): SnapshotVerdict {
  return { outcome: "refused", reason, message };
}
