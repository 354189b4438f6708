import { enqueueEvent, type InTransaction } from "@drawbridge/store";

export type FabricFact = "created" | "activated" | "connected" | "unreachable" | "disconnected" | "deleted";

/** Announce what happened to a fabric, with the transaction that made it so. */
export async function announceFabric(
  tx: InTransaction,
  fact: FabricFact,
  fabric: {
    readonly fabricId: string;
    readonly name: string;
    readonly agentId: string;
    readonly replica: string;
    readonly at: Date;
  },
): Promise<void> {
  await enqueueEvent(tx, {
    type: `runtime.fabric.${fact}.v1`,
    scope: fabric.fabricId,
    occurredAt: fabric.at,
    payload: { fabricId: fabric.fabricId, name: fabric.name, agentId: fabric.agentId, fact, replica: fabric.replica },
  });
}
