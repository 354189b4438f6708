import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import { sql, type Kysely, type Selectable } from "kysely";
import type { AgentLock, LockReason } from "../domain/fabric.ts";
import { fabricId, isUuid, type FabricId } from "../domain/ids.ts";
import { certificatesFromJson, lockOfRow } from "./fabric-row.ts";
import { lockAgent, unlockAgent } from "./lock-agent.ts";
import type { AgentTable, FabricTable, RuntimeDatabase } from "./schema.ts";

/** How an agent stands. */
export interface AgentStanding {
  readonly agentId: string;
  readonly fabricId: FabricId;
  readonly fabricName: string;
  readonly org: string;
  readonly fabricDeleted: boolean;
  /** Another agent speaks for the fabric. */
  readonly replaced: boolean;
  readonly lock: AgentLock | undefined;
  readonly connected: boolean;
  readonly certificateSerial: string;
  readonly certificateNotAfter: Date;
  readonly lastSeenAt: Date;
}

/** An agent that speaks for a fabric, and the trust bundle that it acknowledged. */
export interface TrustFollower {
  readonly fabricId: string;
  readonly fabricName: string;
  readonly agentId: string;
  readonly trustBundleSequence: bigint;
  readonly certificateSerial: string;
  readonly collectorCertificateSerial: string;
  readonly lastSeenAt: Date;
  readonly live: boolean;
}

export interface AgentRepository {
  /** @throws DrawbridgeError `AGENT_UNKNOWN` (not_found) */
  standing(agentId: string): Promise<AgentStanding>;
  /** Why an agent is locked; undefined where it is not, or nobody knows it yet. */
  lockReason(agentId: string): Promise<LockReason | undefined>;
  /** Idempotent. @throws DrawbridgeError `AGENT_UNKNOWN` (not_found) */
  lock(lock: {
    readonly agentId: string;
    readonly reason: LockReason;
    readonly message: string;
    readonly now: Date;
  }): Promise<AgentStanding>;
  /** Idempotent. @throws DrawbridgeError `AGENT_UNKNOWN` (not_found) */
  unlock(unlock: {
    readonly agentId: string;
    readonly requestedBy: string;
    readonly now: Date;
  }): Promise<AgentStanding>;
  /** By fabric name and id, after those given. */
  listFollowers(page: {
    readonly after: { readonly fabricName: string; readonly fabricId: string } | undefined;
    /** Only those whose sequence is lower; 0 for all. */
    readonly behindSequence: bigint;
    readonly limit: number;
  }): Promise<TrustFollower[]>;
  /** A newer trust bundle was heard of; of several that say so, the first one counts. */
  noteBundle(sequence: bigint): Promise<void>;
}

/** Whoever was not seen for this is not waited for. */
const liveFor = "5 minutes";

export function createAgentRepository(store: Store<RuntimeDatabase>): AgentRepository {
  return {
    standing: (agentId) => readStanding(store.db, agentId),
    lockReason: async (agentId) => {
      const row = await store.db
        .selectFrom("agent")
        .select("lock_reason")
        .where("agent_id", "=", agentId)
        .executeTakeFirst();
      return row === undefined || row.lock_reason === "" ? undefined : row.lock_reason;
    },
    lock: (lock) =>
      store.transaction(async (tx) => {
        await readStanding(tx, lock.agentId);
        await lockAgent(tx, lock);
        return readStanding(tx, lock.agentId);
      }),
    unlock: (unlock) =>
      store.transaction(async (tx) => {
        await readStanding(tx, unlock.agentId);
        await unlockAgent(tx, unlock);
        return readStanding(tx, unlock.agentId);
      }),
    listFollowers: async ({ after, behindSequence, limit }) => {
      let query = store.db
        .selectFrom("fabric")
        .innerJoin("agent", "agent.agent_id", "fabric.agent_id")
        .select(["fabric.fabric_id", "fabric.name", "agent.agent_id", "agent.trust_bundle_sequence"])
        .select(["agent.certificate_serial", "agent.certificates", "agent.last_seen_at"])
        .select(sql<boolean>`agent.last_seen_at > now() - ${liveFor}::interval`.as("live"))
        .where("fabric.deleted_at", "is", null)
        .orderBy("fabric.name")
        .orderBy("fabric.fabric_id")
        .limit(limit);
      if (behindSequence > 0n) query = query.where("agent.trust_bundle_sequence", "<", String(behindSequence));
      if (after) {
        query = query.where(
          sql<boolean>`(fabric.name, fabric.fabric_id) > (${after.fabricName}, ${after.fabricId}::uuid)`,
        );
      }
      const rows = await query.execute();
      return rows.map((row) => ({
        fabricId: row.fabric_id,
        fabricName: row.name,
        agentId: row.agent_id,
        trustBundleSequence: BigInt(row.trust_bundle_sequence),
        certificateSerial: row.certificate_serial,
        collectorCertificateSerial:
          certificatesFromJson(row.certificates).find(({ purpose }) => purpose === "monitoring")?.serialNumber ?? "",
        lastSeenAt: row.last_seen_at,
        live: row.live,
      }));
    },
    noteBundle: (sequence) =>
      store.transaction(async (tx) => {
        const { rows } = await sql<{ sequence: string }>`
          INSERT INTO trust_bundle (sequence) VALUES (${String(sequence)}::bigint)
          ON CONFLICT (is_only) DO UPDATE SET sequence = excluded.sequence, known_since = now()
          WHERE trust_bundle.sequence < excluded.sequence
          RETURNING sequence
        `.execute(tx);
        if (rows.length === 0) return;
        await sql`
          UPDATE agent SET alerts_due_at = now()
          WHERE trust_bundle_sequence < ${String(sequence)}::bigint AND state = 'connected'
        `.execute(tx);
      }),
  };
}

type StandingRow = Pick<Selectable<FabricTable>, "fabric_id" | "name" | "org" | "deleted_at"> &
  Pick<
    Selectable<AgentTable>,
    | "state"
    | "replica"
    | "certificate_serial"
    | "certificate_not_after"
    | "last_seen_at"
    | "lock_reason"
    | "lock_message"
    | "locked_at"
  > & { readonly speaker: string | null };

async function readStanding(db: Kysely<RuntimeDatabase>, agentId: string): Promise<AgentStanding> {
  const row: StandingRow | undefined = isUuid(agentId)
    ? await db
        .selectFrom("agent")
        .innerJoin("fabric", "fabric.fabric_id", "agent.fabric_id")
        .select(["fabric.fabric_id", "fabric.name", "fabric.org", "fabric.deleted_at", "fabric.agent_id as speaker"])
        .select(["agent.state", "agent.replica", "agent.certificate_serial", "agent.certificate_not_after"])
        .select(["agent.last_seen_at", "agent.lock_reason", "agent.lock_message", "agent.locked_at"])
        .where("agent.agent_id", "=", agentId)
        .executeTakeFirst()
    : undefined;
  if (!row) {
    throw new DrawbridgeError({
      kind: "not_found",
      code: "AGENT_UNKNOWN",
      message: "no agent with this id has ever said hello",
    });
  }
  return {
    agentId,
    fabricId: fabricId(row.fabric_id),
    fabricName: row.name,
    org: row.org,
    fabricDeleted: row.deleted_at !== null,
    replaced: row.speaker !== agentId,
    lock: lockOfRow(row),
    connected: row.state === "connected" && row.replica !== "",
    certificateSerial: row.certificate_serial,
    certificateNotAfter: row.certificate_not_after,
    lastSeenAt: row.last_seen_at,
  };
}
