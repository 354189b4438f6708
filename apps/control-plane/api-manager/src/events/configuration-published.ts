import type { NewEvent } from "@drawbridge/store";
import type { Root } from "../tree/objects.ts";

/** What the gateways of a fabric should enforce has changed. */
export function configurationPublished(facts: {
  readonly fabricId: string;
  readonly root: Root;
  readonly at: Date;
}): NewEvent<"apis.configuration.published.v1"> {
  const { fabricId, root, at } = facts;
  return {
    type: "apis.configuration.published.v1",
    scope: fabricId,
    occurredAt: at,
    payload: { fabricId, revision: root.revision, digest: root.digest },
  };
}
