import type { Store } from "@drawbridge/store";
import type { RuntimeDatabase } from "./schema.ts";

/** A revocation that the certificate authority still has to be asked for. */
export interface RevocationDuty {
  readonly dutyId: string;
  readonly fabricId: string;
  /** One certificate; empty for all of the fabric's. */
  readonly serialNumber: string;
  readonly reason: string;
}

export interface DutyRepository {
  /** Oldest first. */
  list(limit: number): Promise<readonly RevocationDuty[]>;
  done(dutyId: string): Promise<void>;
}

export function createDutyRepository(store: Store<RuntimeDatabase>): DutyRepository {
  return {
    list: async (limit) => {
      const rows = await store.db
        .selectFrom("revocation_duty")
        .selectAll()
        .orderBy("created_at")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        dutyId: row.duty_id,
        fabricId: row.fabric_id,
        serialNumber: row.serial_number,
        reason: row.reason,
      }));
    },
    done: async (dutyId) => {
      await store.db.deleteFrom("revocation_duty").where("duty_id", "=", dutyId).execute();
    },
  };
}

/** Forget answers to requests that nobody will repeat any more. Answers how many. */
export async function forgetRequests(store: Store<RuntimeDatabase>, before: Date): Promise<number> {
  const { numDeletedRows } = await store.db.deleteFrom("request").where("created_at", "<", before).executeTakeFirst();
  return Number(numDeletedRows);
}
