import { consumeOnce, enqueueEvent, type Store } from "@drawbridge/store";
import { tokenRevoked } from "../events/token-events.ts";
import type { ActivationDatabase } from "./database.ts";
import { lockFabric } from "./deleted-fabrics.ts";
import { owe } from "./revocation-duties.ts";

/** What facts about fabrics change here; each fact has its effect once. */
export interface FabricFacts {
  /** The agent opened its first tunnel: its token's key gets nothing more. */
  tunnelOpened(fact: { readonly eventId: string; readonly agentId: string; readonly now: Date }): Promise<void>;
  /**
   * The fabric is gone for good: its unused tokens are revoked, redemptions that were not answered never will be, and the
   * certificates of those that were are owed a revocation.
   */
  fabricDeleted(fact: { readonly eventId: string; readonly fabricId: string; readonly now: Date }): Promise<void>;
}

const consumer = "activation";

export function createFabricFacts(store: Pick<Store<ActivationDatabase>, "transaction">): FabricFacts {
  return {
    tunnelOpened: ({ eventId, agentId, now }) =>
      store.transaction(async (tx) => {
        if ((await consumeOnce(tx, { consumer, eventId })) === "duplicate") return;
        await tx
          .updateTable("enrolment")
          .set({ closed_at: now, closed_reason: "first_tunnel" })
          .where("agent_id", "=", agentId)
          .where("closed_at", "is", null)
          .execute();
      }),

    fabricDeleted: ({ eventId, fabricId, now }) =>
      store.transaction(async (tx) => {
        if ((await consumeOnce(tx, { consumer, eventId })) === "duplicate") return;
        await lockFabric(tx, fabricId, "delete");
        await tx
          .insertInto("deleted_fabric")
          .values({ fabric_id: fabricId, deleted_at: now })
          .onConflict((conflict) => conflict.column("fabric_id").doNothing())
          .execute();
        // Tokens before enrolments: a redemption under way holds its token's row until its enrolment can be seen.
        const revoked = await tx
          .updateTable("activation_token")
          .set({ state: "revoked", revoked_at: now })
          .where("fabric_id", "=", fabricId)
          .where("state", "=", "unused")
          .returning("token_id")
          .execute();
        for (const { token_id: tokenId } of revoked) await enqueueEvent(tx, tokenRevoked({ tokenId, fabricId, now }));
        await tx
          .updateTable("enrolment")
          .set({ closed_at: now, closed_reason: "fabric_deleted" })
          .where("fabric_id", "=", fabricId)
          .where("closed_at", "is", null)
          .execute();
        const issued = await tx
          .selectFrom("enrolment")
          .select(["certificate_serial", "collector_certificate_serial"])
          .where("fabric_id", "=", fabricId)
          .where("issued_at", "is not", null)
          .execute();
        const recovered = await tx
          .selectFrom("recovery")
          .innerJoin("enrolment", "enrolment.agent_id", "recovery.agent_id")
          .select(["recovery.certificate_serial", "recovery.collector_certificate_serial"])
          .where("enrolment.fabric_id", "=", fabricId)
          .where("recovery.certificate_not_after", ">", now)
          .execute();
        const serialNumbers = [...issued, ...recovered]
          .flatMap((row) => [row.certificate_serial, row.collector_certificate_serial])
          .filter((serialNumber) => serialNumber !== null);
        await owe(tx, { fabricId, serialNumbers, now });
      }),
  };
}
