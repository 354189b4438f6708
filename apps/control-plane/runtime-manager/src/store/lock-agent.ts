import { sql, type Transaction } from "kysely";
import type { LockReason } from "../domain/fabric.ts";
import { announceLock } from "../events/agent-events.ts";
import type { RuntimeDatabase } from "./schema.ts";

/** Lock an agent that is not locked yet. Answers whether this call did. */
export async function lockAgent(
  tx: Transaction<RuntimeDatabase>,
  lock: { readonly agentId: string; readonly reason: LockReason; readonly message: string; readonly now: Date },
): Promise<boolean> {
  const locked = await tx
    .updateTable("agent")
    .set({
      lock_reason: lock.reason,
      lock_message: lock.message,
      locked_at: sql<Date>`now()`,
      alerts_due_at: sql<Date>`now()`,
    })
    .where("agent_id", "=", lock.agentId)
    .where("lock_reason", "=", "")
    .returning("fabric_id")
    .executeTakeFirst();
  if (!locked) return false;
  const { agentId, reason, message, now: at } = lock;
  await announceLock(tx, { fact: "locked", fabricId: locked.fabric_id, agentId, reason, message, at });
  return true;
}

/** Lift a lock. Both processes start afresh: only a new proof locks again. Answers whether this call did. */
export async function unlockAgent(
  tx: Transaction<RuntimeDatabase>,
  { agentId, requestedBy, now: at }: { readonly agentId: string; readonly requestedBy: string; readonly now: Date },
): Promise<boolean> {
  const unlocked = await tx
    .updateTable("agent")
    .set({
      lock_reason: "",
      lock_message: "",
      locked_at: null,
      superseded_boots: "[]",
      alerts_due_at: sql<Date>`now()`,
    })
    .where("agent_id", "=", agentId)
    .where("lock_reason", "<>", "")
    .returning("fabric_id")
    .executeTakeFirst();
  if (!unlocked) return false;
  await announceLock(tx, { fact: "unlocked", fabricId: unlocked.fabric_id, agentId, requestedBy, at });
  return true;
}
