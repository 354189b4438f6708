import { sql, type Store, type Transaction } from "@drawbridge/store";
import { recoveryPeriodMs, type RecoveryState } from "../domain/recovery-state.ts";
import type { RecoveryStates } from "../domain/steer-recovery.ts";
import type { ActivationDatabase } from "./database.ts";
import { recoveryFromRow } from "./rows.ts";

type Db = Store<ActivationDatabase>["db"] | Transaction<ActivationDatabase>;

/** How recoveries stand, as operators see and change it. */
export function createRecoveryStates(store: Pick<Store<ActivationDatabase>, "db" | "transaction">): RecoveryStates {
  return {
    state: (agentId, now) => readRecoveryState(store.db, agentId, now),

    allow: (agentId, { at, until, by, acceptsAnyJoinState }) =>
      store.transaction(async (tx) => {
        const row = await tx
          .selectFrom("enrolment")
          .leftJoin("deleted_fabric", "deleted_fabric.fabric_id", "enrolment.fabric_id")
          .select("deleted_fabric.deleted_at")
          .where("enrolment.agent_id", "=", agentId)
          .executeTakeFirst();
        if (!row) return "unknown";
        if (row.deleted_at !== null) return "fabric_deleted";
        await tx
          .updateTable("recovery_state")
          .set({
            allowed_at: at,
            allowed_until: until,
            allowed_by: by,
            accepts_any_join_state: acceptsAnyJoinState,
            locked_at: null,
          })
          .where("agent_id", "=", agentId)
          .execute();
        return "allowed";
      }),

    withdraw: async (agentId) => {
      const { numUpdatedRows } = await store.db
        .updateTable("recovery_state")
        .set({ allowed_at: null, allowed_until: null, allowed_by: null, accepts_any_join_state: false })
        .where("agent_id", "=", agentId)
        .executeTakeFirst();
      return numUpdatedRows === 0n ? "unknown" : "withdrawn";
    },

    setMode: async (agentId, mode) => {
      const { numUpdatedRows } = await store.db
        .updateTable("recovery_state")
        .set({ mode })
        .where("agent_id", "=", agentId)
        .executeTakeFirst();
      return numUpdatedRows === 0n ? "unknown" : "set";
    },
  };
}

/** By primary keys and recovery's unique (agent_id, join_sequence). */
export async function readRecoveryState(db: Db, agentId: string, now: Date): Promise<RecoveryState | undefined> {
  const since = new Date(now.getTime() - recoveryPeriodMs);
  const row = await db
    .selectFrom("recovery_state")
    .innerJoin("enrolment", "enrolment.agent_id", "recovery_state.agent_id")
    .selectAll("recovery_state")
    .select(["enrolment.fabric_id", "enrolment.certificate_not_after"])
    .where("recovery_state.agent_id", "=", agentId)
    .executeTakeFirst();
  if (!row) return undefined;
  const last = await db
    .selectFrom("recovery")
    .selectAll()
    .where("agent_id", "=", agentId)
    .orderBy("join_sequence", "desc")
    .limit(1)
    .executeTakeFirst();
  const counts = await db
    .selectFrom("recovery")
    .select([
      sql<number>`count(*)::integer`.as("recent"),
      sql<number>`count(*) FILTER (WHERE allowed_by IS NULL)::integer`.as("automatic"),
      sql<Date | null>`max(certificate_not_after)`.as("not_after"),
    ])
    .where("agent_id", "=", agentId)
    .where("issued_at", ">", since)
    .executeTakeFirst();
  return {
    agentId: row.agent_id,
    fabricId: row.fabric_id,
    mode: row.mode,
    joinSequence: row.join_sequence,
    joinNonce: row.join_nonce ?? undefined,
    allowance:
      row.allowed_at !== null && row.allowed_until !== null && row.allowed_by !== null
        ? {
            at: row.allowed_at,
            until: row.allowed_until,
            by: row.allowed_by,
            acceptsAnyJoinState: row.accepts_any_join_state,
          }
        : undefined,
    lockedAt: row.locked_at ?? undefined,
    lastRefusal:
      row.last_refusal !== null && row.last_refusal_at !== null
        ? { code: row.last_refusal, at: row.last_refusal_at }
        : undefined,
    last: last && recoveryFromRow(last),
    lastNotAfter: last?.certificate_not_after ?? counts?.not_after ?? row.certificate_not_after ?? undefined,
    recent: counts?.recent ?? 0,
    recentAutomatic: counts?.automatic ?? 0,
  };
}
