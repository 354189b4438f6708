/** Phases of the root's rotation, in their order; a roll-back may begin in any of the middle ones. */
export const rotationPhases = ["standby", "init", "update_clients", "update_servers", "rollback"] as const;
export type RotationPhaseName = (typeof rotationPhases)[number];

/** What a follower still has to take over before the next phase. */
export const followerGaps = ["trust-bundle", "certificate"] as const;
export type FollowerGap = (typeof followerGaps)[number];

export function followerGapsOf(follower: {
  readonly acknowledged: bigint;
  readonly current: bigint;
  readonly certificateCurrent: boolean;
}): FollowerGap[] {
  return [
    ...(follower.acknowledged < follower.current ? (["trust-bundle"] as const) : []),
    ...(follower.certificateCurrent ? [] : (["certificate"] as const)),
  ];
}
