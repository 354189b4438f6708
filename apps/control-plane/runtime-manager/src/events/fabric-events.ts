import { enqueueEvents, type InTransaction } from "@drawbridge/store";

export type FabricFact = "created" | "activated" | "connected" | "unreachable" | "disconnected" | "deleted";

export interface FabricNews {
  readonly fabricId: string;
  readonly name: string;
  readonly agentId: string;
  readonly replica: string;
  readonly at: Date;
}

/** Announce what happened to a fabric, with the transaction that made it so. */
export async function announceFabric(tx: InTransaction, fact: FabricFact, fabric: FabricNews): Promise<void> {
  await announceFabrics(tx, [{ fact, ...fabric }]);
}

/** Announce what happened to many, in one statement and in this order. */
export async function announceFabrics(
  tx: InTransaction,
  news: readonly (FabricNews & { readonly fact: FabricFact })[],
): Promise<void> {
  await enqueueEvents(
    tx,
    news.map(({ fact, fabricId, name, agentId, replica, at }) => ({
      type: `runtime.fabric.${fact}.v1` as const,
      scope: fabricId,
      occurredAt: at,
      payload: { fabricId, name, agentId, fact, replica },
    })),
  );
}
