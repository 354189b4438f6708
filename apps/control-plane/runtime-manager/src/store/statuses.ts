import type { Store } from "@drawbridge/store";
import { sql, type Transaction } from "kysely";
import type { AppStatus } from "../domain/app-status.ts";
import type { AgentId, AppId, FabricId } from "../domain/ids.ts";
import { announceObserved } from "../events/deployment-events.ts";
import { observedGeneration } from "./observed-generation.ts";
import type { RuntimeDatabase } from "./schema.ts";
import { statusToJson } from "./status-row.ts";

export interface StatusReport {
  readonly fabricId: FabricId;
  readonly agentId: AgentId;
  readonly epoch: bigint;
  readonly observedGeneration: bigint;
  readonly snapshotDigest: string;
  /** "complete": what is not in `apps` does not exist at the agent. */
  readonly scope: "complete" | "changes";
  readonly apps: readonly AppStatus[];
  readonly removedAppIds: readonly AppId[];
  readonly now: Date;
}

export type StatusOutcome =
  /** Another session of the agent, or another agent, is the current one: nothing was stored. */
  | { readonly outcome: "superseded" }
  | {
      readonly outcome: "stored";
      /** The fabric's new generation, when tombstones were finished. */
      readonly generation: bigint | undefined;
    };

export interface StatusRepository {
  /** Store what an agent reports, all of it or nothing. Storing the same report twice changes nothing. */
  store(report: StatusReport): Promise<StatusOutcome>;
}

type Tx = Transaction<RuntimeDatabase>;

export function createStatusRepository(store: Store<RuntimeDatabase>): StatusRepository {
  return {
    store: (report) =>
      store.transaction(async (tx): Promise<StatusOutcome> => {
        // Locks are taken in the order fabric, agent, app everywhere.
        const isRemoving = report.removedAppIds.length > 0;
        if (isRemoving) await lockFabric(tx, report.fabricId);
        const noted = await storeReport(tx, report);
        if (noted.length === 0) return { outcome: "superseded" };
        await announceChanges(tx, report, noted);
        return { outcome: "stored", generation: isRemoving ? await finishTombstones(tx, report) : undefined };
      }),
  };
}

async function lockFabric(tx: Tx, fabricId: FabricId): Promise<void> {
  await tx.selectFrom("fabric").select("fabric_id").where("fabric_id", "=", fabricId).forNoKeyUpdate().execute();
}

/** One row per app whose phase changed; one with nulls if none did; no row for an epoch or agent that is not current. */
interface NotedRow {
  readonly app_id: AppId | null;
  readonly name: string | null;
  readonly environment: string | null;
}

/**
 * One statement, because there is one per report of every agent. The fence comes first: `noted` is empty unless the
 * report is of the current epoch of the fabric's current agent, and everything else depends on it.
 */
async function storeReport(tx: Tx, report: StatusReport): Promise<readonly NotedRow[]> {
  const incoming = JSON.stringify(
    report.apps.map((status) => ({
      app_id: status.appId,
      observed_generation: String(status.observedGeneration),
      phase: status.phase,
      status: statusToJson(status),
    })),
  );
  const { rows } = await sql<NotedRow>`
    WITH report AS (
      SELECT ${report.observedGeneration}::bigint AS observed_generation, ${report.snapshotDigest}::text AS snapshot_digest
    ),
    noted AS (
      UPDATE agent SET last_seen_at = now(), snapshot_digest = report.snapshot_digest,
        observed_generation = ${observedGeneration("report.observed_generation")}
      FROM fabric, report
      WHERE agent.agent_id = ${report.agentId} AND agent.epoch = ${report.epoch}
        AND fabric.fabric_id = ${report.fabricId} AND fabric.agent_id = agent.agent_id AND fabric.deleted_at IS NULL
      RETURNING agent.agent_id
    ),
    incoming AS (
      SELECT incoming.*, app.name, app.environment, earlier.phase AS earlier_phase
      FROM noted, jsonb_to_recordset(${incoming}::jsonb)
        AS incoming (app_id uuid, observed_generation bigint, phase text, status jsonb)
      JOIN app ON app.app_id = incoming.app_id AND app.fabric_id = ${report.fabricId}
      LEFT JOIN app_status AS earlier ON earlier.app_id = incoming.app_id
      WHERE incoming.observed_generation <= app.generation
    ),
    stored AS (
      INSERT INTO app_status (app_id, fabric_id, observed_generation, phase, status)
      SELECT app_id, ${report.fabricId}, observed_generation, phase, status FROM incoming
      ON CONFLICT (app_id) DO UPDATE SET
        observed_generation = excluded.observed_generation, phase = excluded.phase,
        status = excluded.status, stored_at = now()
      WHERE app_status.observed_generation <= excluded.observed_generation
      RETURNING app_id
    ),
    -- An agent that lost its state no longer has what it once reported.
    forgotten AS (
      DELETE FROM app_status USING noted
      WHERE ${report.scope === "complete"} AND app_status.fabric_id = ${report.fabricId}
        AND app_status.app_id <> ALL(${report.apps.map((status) => status.appId)}::uuid[])
    ),
    changed AS (
      SELECT incoming.app_id, incoming.name, incoming.environment FROM incoming JOIN stored USING (app_id)
      WHERE incoming.earlier_phase IS DISTINCT FROM incoming.phase
    )
    SELECT changed.app_id, changed.name, changed.environment FROM noted LEFT JOIN changed ON true
    ORDER BY changed.app_id
  `.execute(tx);
  return rows;
}

async function announceChanges(tx: Tx, report: StatusReport, noted: readonly NotedRow[]): Promise<void> {
  const byId = new Map(report.apps.map((status) => [status.appId, status]));
  const changes = noted.flatMap(({ app_id, name, environment }) => {
    const status = app_id === null ? undefined : byId.get(app_id);
    return status === undefined ? [] : [{ status, appName: name ?? "", environment: environment ?? "" }];
  });
  await announceObserved(tx, { fabricId: report.fabricId, at: report.now, changes });
}

/** Only tombstones go: an app that nobody deleted stays, whatever the agent says. */
async function finishTombstones(tx: Tx, report: StatusReport): Promise<bigint | undefined> {
  const { rows } = await sql<{ desired_generation: string }>`
    WITH finished AS (
      DELETE FROM app WHERE fabric_id = ${report.fabricId} AND app_id = ANY(${report.removedAppIds}::uuid[])
        AND deleted_at IS NOT NULL
      RETURNING app_id
    )
    UPDATE fabric SET desired_generation = desired_generation + 1, generation_at = ${report.now}
    WHERE fabric_id = ${report.fabricId} AND EXISTS (SELECT FROM finished)
    RETURNING desired_generation
  `.execute(tx);
  const [row] = rows;
  return row && BigInt(row.desired_generation);
}
