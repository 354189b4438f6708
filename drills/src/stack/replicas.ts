import { eventually, type ShownApp, type TestStack } from "@drawbridge/local/testing";

/** The app as the fabric reported it, once that report is current. */
export async function currentApp(stack: TestStack, name: string): Promise<ShownApp> {
  return eventually(async () => {
    const app = await stack.show(name);
    return app.statusCurrent ? app : undefined;
  });
}

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
