import type { NewEvent } from "@drawbridge/store";

export interface Refusal {
  readonly fabricId: string;
  readonly spiffeId: string;
  readonly digest: string;
  readonly remoteAddress: string;
  readonly occurredAt: Date;
}

export function artefactRefused({ occurredAt, ...payload }: Refusal): NewEvent<"config.artefact.refused.v1"> {
  return { type: "config.artefact.refused.v1", scope: payload.fabricId, occurredAt, payload };
}
