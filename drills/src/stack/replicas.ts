import type { ShownApp } from "@drawbridge/local/testing";

/** A finding if not the same processes serve the app as before. */
export function changedReplicas(before: ShownApp, now: ShownApp): readonly string[] {
  return replicasOf(before) === replicasOf(now)
    ? []
    : [`${before.name} ran as ${replicasOf(before)}, now as ${replicasOf(now)}`];
}

function replicasOf(app: ShownApp): string {
  return (app.status?.replicas ?? [])
    .map(({ replicaId, startedAt }) => `${replicaId} since ${startedAt}`)
    .toSorted()
    .join(", ");
}
