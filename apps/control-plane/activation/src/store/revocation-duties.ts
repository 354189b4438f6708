import type { Store, Transaction } from "@drawbridge/store";
import type { RevocationDuties } from "../domain/discharge-revocations.ts";
import type { ActivationDatabase } from "./database.ts";

export function createRevocationDuties(store: Pick<Store<ActivationDatabase>, "db">): RevocationDuties {
  return {
    list: async ({ fabricId, limit }) => {
      let query = store.db.selectFrom("revocation_duty").select("serial_number").orderBy("created_at").limit(limit);
      if (fabricId !== undefined) query = query.where("fabric_id", "=", fabricId);
      const rows = await query.execute();
      return rows.map((row) => row.serial_number);
    },
    done: async (serialNumber) => {
      await store.db.deleteFrom("revocation_duty").where("serial_number", "=", serialNumber).execute();
    },
  };
}

/** Oblige ourselves, in the transaction that found the certificates' fabric deleted. */
export async function owe(
  tx: Transaction<ActivationDatabase>,
  duty: { readonly fabricId: string; readonly serialNumbers: readonly string[]; readonly now: Date },
): Promise<void> {
  const { fabricId, serialNumbers, now } = duty;
  if (serialNumbers.length === 0) return;
  await tx
    .insertInto("revocation_duty")
    .values(
      serialNumbers.map((serialNumber) => ({ serial_number: serialNumber, fabric_id: fabricId, created_at: now })),
    )
    .onConflict((conflict) => conflict.column("serial_number").doNothing())
    .execute();
}
