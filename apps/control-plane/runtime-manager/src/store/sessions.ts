import type { Store } from "@drawbridge/store";
import { sql } from "kysely";
import type { AgentReport } from "../domain/fabric.ts";
import { agentId, fabricId, type AgentId, type FabricId, type SessionId } from "../domain/ids.ts";
import { announceFabrics } from "../events/fabric-events.ts";
import type { RuntimeDatabase } from "./schema.ts";
import { createBatcher } from "./batcher.ts";
import { observedGeneration } from "./observed-generation.ts";
import { welcomeTogether } from "./welcome-together.ts";
import { welcomeSession, type RefusedSession, type SessionClaim, type WelcomedSession } from "./welcome.ts";

/** A live session whose agent gave a sign of life since the last flush. */
export interface SeenSession {
  readonly agentId: string;
  readonly epoch: bigint;
  /** Only when it differs from what was written last. */
  readonly report: AgentReport | undefined;
}

/** Why a session that a replica holds should no longer be. */
export type Verdict =
  | {
      readonly fabricId: FabricId;
      readonly sessionId: SessionId;
      readonly code: "AGENT_REVOKED" | "AGENT_LOCKED" | "FABRIC_DELETED";
    }
  | {
      readonly fabricId: FabricId;
      readonly sessionId: SessionId;
      readonly code: "superseded";
      readonly by: { readonly agentId: AgentId; readonly bootId: string };
    };

export interface SessionRepository {
  welcome(claim: SessionClaim): Promise<WelcomedSession | RefusedSession>;
  /** Write down signs of life, for current epochs only. An agent that was given up is connected again. */
  markSeen(seen: readonly SeenSession[], at: Date): Promise<void>;
  /** The tunnel is gone; its state follows when the silence has lasted. Does nothing for an epoch that is not current. */
  release(session: { readonly agentId: string; readonly epoch: bigint; readonly sessionId: SessionId }): Promise<void>;
  /** A replica that starts holds no tunnels. */
  releaseAll(replica: string): Promise<void>;
  /** Give up on agents that were silent for too long. Answers how many changed. */
  giveUpOnSilent(limits: {
    readonly unreachableAfterMs: number;
    readonly disconnectedAfterMs: number;
    readonly at: Date;
  }): Promise<number>;
  /** Look at the sessions that a replica holds: are they still allowed, and still the current ones? */
  judge(held: readonly { readonly fabricId: FabricId; readonly sessionId: SessionId }[]): Promise<readonly Verdict[]>;
  /** Replica that holds an agent's tunnel, by the database; empty for none. */
  replicaOf(agentId: string): Promise<string>;
  /** Agents with a tunnel at a replica that were locked: for when nobody could tell it. */
  lockedAt(replica: string): Promise<readonly { readonly agentId: string; readonly fabricId: FabricId }[]>;
}

export function createSessionRepository(store: Store<RuntimeDatabase>): SessionRepository {
  const welcomeMany = createBatcher<SessionClaim, WelcomedSession | undefined>({
    size: 64,
    lanes: 2,
    keyOf: (claim) => claim.fabricId,
    run: (claims) => welcomeTogether(store, claims),
  });
  return {
    welcome: async (claim) => (await welcomeMany(claim)) ?? welcomeSession(store, claim),
    markSeen: (seen, at) => markSeen(store, seen, at),
    release: async ({ agentId, epoch, sessionId }) => {
      await store.db
        .updateTable("agent")
        .set({ replica: "" })
        .where("agent_id", "=", agentId)
        .where("epoch", "=", String(epoch))
        .where("session_id", "=", sessionId)
        .execute();
    },
    releaseAll: async (replica) => {
      await store.db.updateTable("agent").set({ replica: "" }).where("replica", "=", replica).execute();
    },
    giveUpOnSilent: (limits) => giveUpOnSilent(store, limits),
    judge: (held) => judge(store, held),
    lockedAt: async (replica) => {
      const rows = await store.db
        .selectFrom("agent")
        .select(["agent_id", "fabric_id"])
        .where("replica", "=", replica)
        .where("lock_reason", "<>", "")
        .execute();
      return rows.map((row) => ({ agentId: row.agent_id, fabricId: fabricId(row.fabric_id) }));
    },
    replicaOf: async (agentId) => {
      const row = await store.db
        .selectFrom("agent")
        .select("replica")
        .where("agent_id", "=", agentId)
        .executeTakeFirst();
      return row?.replica ?? "";
    },
  };
}

async function markSeen(store: Store<RuntimeDatabase>, seen: readonly SeenSession[], at: Date): Promise<void> {
  const lives = JSON.stringify(seen.map(({ agentId, epoch }) => ({ agent_id: agentId, epoch: String(epoch) })));
  const reports = JSON.stringify(
    seen.flatMap(({ agentId, epoch, report }) =>
      report
        ? [
            {
              agent_id: agentId,
              epoch: String(epoch),
              observed_generation: String(report.observedGeneration),
              snapshot_digest: report.snapshotDigest,
              trust_bundle_sequence: String(report.trustBundleSequence),
              clock_skew_ms: report.clockSkewMs,
              alerts: report.alerts,
              certificates: report.certificates,
            },
          ]
        : [],
    ),
  );
  await store.transaction(async (tx) => {
    const { rows: returned } = await sql<{ agent_id: string; fabric_id: string; name: string; replica: string }>`
      WITH life AS (SELECT * FROM jsonb_to_recordset(${lives}::jsonb) AS life (agent_id uuid, epoch bigint)),
      -- In one order everywhere: two who lock many agents must not wait for each other.
      locked AS MATERIALIZED (
        SELECT agent.agent_id, agent.state AS earlier_state FROM agent JOIN life USING (agent_id, epoch)
        WHERE agent.replica <> '' ORDER BY agent.agent_id FOR NO KEY UPDATE OF agent
      ),
      seen AS (
        UPDATE agent SET last_seen_at = now(), state = 'connected',
          alerts_due_at = CASE WHEN locked.earlier_state = 'connected' THEN agent.alerts_due_at ELSE now() END
        FROM locked
        WHERE agent.agent_id = locked.agent_id
        RETURNING agent.agent_id, agent.fabric_id, agent.replica, locked.earlier_state
      )
      SELECT seen.agent_id, seen.fabric_id, seen.replica, fabric.name FROM seen JOIN fabric USING (fabric_id)
      WHERE seen.earlier_state <> 'connected'
    `.execute(tx);
    if (reports !== "[]") {
      await sql`
        UPDATE agent SET trust_bundle_sequence = report.trust_bundle_sequence,
          clock_skew_ms = report.clock_skew_ms, alerts = report.alerts, snapshot_digest = report.snapshot_digest,
          certificates = report.certificates, alerts_due_at = now(),
          observed_generation = ${observedGeneration("report.observed_generation")}
        FROM fabric, jsonb_to_recordset(${reports}::jsonb) AS report (agent_id uuid, epoch bigint,
          observed_generation bigint, snapshot_digest text, trust_bundle_sequence bigint, clock_skew_ms bigint, alerts jsonb,
          certificates jsonb)
        WHERE agent.agent_id = report.agent_id AND agent.epoch = report.epoch AND fabric.fabric_id = agent.fabric_id
      `.execute(tx);
    }
    const news = returned.map((row) => ({
      fact: "connected" as const,
      fabricId: row.fabric_id,
      name: row.name,
      agentId: row.agent_id,
      replica: row.replica,
      at,
    }));
    await announceFabrics(tx, news);
  });
}

async function giveUpOnSilent(
  store: Store<RuntimeDatabase>,
  limits: { readonly unreachableAfterMs: number; readonly disconnectedAfterMs: number; readonly at: Date },
): Promise<number> {
  return store.transaction(async (tx) => {
    // The next state follows from the old one and the silence alone, so replicas that sweep at once agree.
    const { rows } = await sql<{
      agent_id: string;
      fabric_id: string;
      name: string;
      state: "unreachable" | "disconnected";
    }>`
      WITH silent AS (
        SELECT agent_id,
          CASE WHEN last_seen_at < now() - ${limits.disconnectedAfterMs} * interval '1 millisecond'
            THEN 'disconnected' ELSE 'unreachable' END AS next_state
        FROM agent
        WHERE state <> 'disconnected' AND last_seen_at < now() - ${limits.unreachableAfterMs} * interval '1 millisecond'
        ORDER BY agent_id LIMIT 1000
        FOR UPDATE SKIP LOCKED
      )
      UPDATE agent SET state = silent.next_state, alerts_due_at = now(),
        replica = CASE WHEN silent.next_state = 'disconnected' THEN '' ELSE agent.replica END
      FROM silent, fabric
      WHERE agent.agent_id = silent.agent_id AND agent.state <> silent.next_state AND fabric.fabric_id = agent.fabric_id
      RETURNING agent.agent_id, agent.fabric_id, agent.state, fabric.name
    `.execute(tx);
    const news = rows.map((row) => ({
      fact: row.state,
      fabricId: row.fabric_id,
      name: row.name,
      agentId: row.agent_id,
      replica: "",
      at: limits.at,
    }));
    await announceFabrics(tx, news);
    return rows.length;
  });
}

async function judge(
  store: Store<RuntimeDatabase>,
  held: readonly { readonly fabricId: FabricId; readonly sessionId: SessionId }[],
): Promise<readonly Verdict[]> {
  const { rows } = await sql<JudgedRow>`
    SELECT held.fabric_id, held.session_id,
      COALESCE(fabric.deleted_at IS NOT NULL, true) AS is_deleted,
      COALESCE(certificate.revoked_at IS NOT NULL, false) AS is_revoked,
      COALESCE(agent.lock_reason <> '', false) AS is_locked,
      fabric.agent_id AS current_agent_id, agent.boot_id AS current_boot_id
    FROM unnest(${held.map((session) => session.fabricId)}::uuid[], ${held.map((session) => session.sessionId)}::uuid[])
      AS held (fabric_id, session_id)
    LEFT JOIN fabric ON fabric.fabric_id = held.fabric_id
    LEFT JOIN agent ON agent.agent_id = fabric.agent_id
    LEFT JOIN certificate ON certificate.serial_number = agent.certificate_serial
    WHERE fabric.fabric_id IS NULL OR fabric.deleted_at IS NOT NULL OR certificate.revoked_at IS NOT NULL
      OR agent.lock_reason <> '' OR agent.session_id IS DISTINCT FROM held.session_id
  `.execute(store.db);
  return rows.map(verdictOf);
}

interface JudgedRow {
  readonly fabric_id: FabricId;
  readonly session_id: SessionId;
  readonly is_deleted: boolean;
  readonly is_revoked: boolean;
  readonly is_locked: boolean;
  readonly current_agent_id: AgentId | null;
  readonly current_boot_id: string | null;
}

function verdictOf({ fabric_id: id, session_id: sessionId, ...row }: JudgedRow): Verdict {
  const about = { fabricId: id, sessionId };
  if (row.is_deleted) return { ...about, code: "FABRIC_DELETED" };
  if (row.is_revoked) return { ...about, code: "AGENT_REVOKED" };
  if (row.is_locked) return { ...about, code: "AGENT_LOCKED" };
  const by = { agentId: row.current_agent_id ?? agentId(""), bootId: row.current_boot_id ?? "" };
  return { ...about, code: "superseded", by };
}
