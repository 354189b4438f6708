/** Phases of the root's rotation, in their order; a roll-back may begin in any of the middle ones. */
export const rotationPhases = ["standby", "init", "update_clients", "update_servers", "rollback"] as const;
export type RotationPhaseName = (typeof rotationPhases)[number];

export const followerKinds = ["agent", "collector", "service"] as const;
export type FollowerKind = (typeof followerKinds)[number];

/** What a follower still has to take over before the next phase. */
export const followerGaps = ["trust-bundle", "certificate"] as const;
export type FollowerGap = (typeof followerGaps)[number];

/**
 * The certificate counts in the phases that replace it: of fabrics when the clients are updated, of everybody when the
 * servers are, and of everybody in a roll-back.
 */
export function followerGapsOf(
  follower: {
    readonly kind: FollowerKind;
    readonly acknowledged: bigint;
    readonly certificateCurrent: boolean;
  },
  now: { readonly phase: RotationPhaseName; readonly sequence: bigint },
): FollowerGap[] {
  const isReplaced =
    now.phase === "update_servers" ||
    now.phase === "rollback" ||
    (now.phase === "update_clients" && follower.kind !== "service");
  return [
    ...(follower.acknowledged < now.sequence ? (["trust-bundle"] as const) : []),
    ...(isReplaced && !follower.certificateCurrent ? (["certificate"] as const) : []),
  ];
}
