import type { Store } from "@drawbridge/store";
import { sql, type Transaction } from "kysely";
import type { AppStatus } from "../domain/app-status.ts";
import type { AgentId, AppId, FabricId } from "../domain/ids.ts";
import { announceObserved, type ObservedChange } from "../events/deployment-events.ts";
import { createBatcher } from "./batcher.ts";
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
  // A report of removals makes a generation and takes the fabric's lock: it goes alone. All others share statements.
  const storeTogether = createBatcher<StatusReport, StatusOutcome>({
    size: 64,
    lanes: 2,
    keyOf: (report) => report.agentId,
    run: (reports) =>
      store.transaction(async (tx) => {
        const noted = await storeReports(tx, reports);
        return reports.map((_, place) => (noted.has(place) ? stored : superseded));
      }),
  });
  return {
    store: (report) => (report.removedAppIds.length === 0 ? storeTogether(report) : storeRemovals(store, report)),
  };
}

const superseded: StatusOutcome = { outcome: "superseded" };
const stored: StatusOutcome = { outcome: "stored", generation: undefined };

/** Locks are taken in the order fabric, agent, app everywhere. */
function storeRemovals(store: Store<RuntimeDatabase>, report: StatusReport): Promise<StatusOutcome> {
  return store.transaction(async (tx): Promise<StatusOutcome> => {
    await lockFabric(tx, report.fabricId);
    const noted = await storeReports(tx, [report]);
    if (!noted.has(0)) return superseded;
    return { outcome: "stored", generation: await finishTombstones(tx, report) };
  });
}

async function lockFabric(tx: Tx, fabricId: FabricId): Promise<void> {
  await tx.selectFrom("fabric").select("fabric_id").where("fabric_id", "=", fabricId).forNoKeyUpdate().execute();
}

/** Per stored report one row for each app whose phase changed, or one with nulls if none did. */
interface NotedRow {
  readonly place: number;
  readonly app_id: AppId | null;
  readonly name: string | null;
  readonly environment: string | null;
}

/**
 * Store reports of different agents in one statement and announce what changed; answers with the places of those that
 * were stored. The fence comes first: `noted` holds only reports of the current epoch of a fabric's current agent, and
 * everything else depends on it.
 */
async function storeReports(tx: Tx, reports: readonly StatusReport[]): Promise<ReadonlySet<number>> {
  const heads = JSON.stringify(
    reports.map((report, place) => ({
      place,
      fabric_id: report.fabricId,
      agent_id: report.agentId,
      epoch: String(report.epoch),
      observed_generation: String(report.observedGeneration),
      snapshot_digest: report.snapshotDigest,
      is_complete: report.scope === "complete",
    })),
  );
  const statuses = JSON.stringify(
    reports.flatMap((report, place) =>
      report.apps.map((status) => ({
        place,
        app_id: status.appId,
        observed_generation: String(status.observedGeneration),
        phase: status.phase,
        status: statusToJson(status),
      })),
    ),
  );
  const { rows } = await sql<NotedRow>`
    WITH report AS (
      SELECT * FROM jsonb_to_recordset(${heads}::jsonb) AS report (place int, fabric_id uuid, agent_id uuid,
        epoch bigint, observed_generation bigint, snapshot_digest text, is_complete boolean)
    ),
    said AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${statuses}::jsonb) AS said (place int, app_id uuid,
        observed_generation bigint, phase text, status jsonb)
    ),
    -- In one order everywhere: two who lock many agents must not wait for each other.
    locked AS MATERIALIZED (
      SELECT report.* FROM agent JOIN report USING (agent_id) WHERE agent.epoch = report.epoch
      ORDER BY agent.agent_id FOR NO KEY UPDATE OF agent
    ),
    noted AS (
      UPDATE agent SET last_seen_at = now(), snapshot_digest = report.snapshot_digest,
        observed_generation = ${observedGeneration("report.observed_generation")}
      FROM locked AS report JOIN fabric USING (fabric_id)
      WHERE agent.agent_id = report.agent_id AND fabric.agent_id = agent.agent_id AND fabric.deleted_at IS NULL
      RETURNING report.place, report.fabric_id, report.is_complete
    ),
    incoming AS (
      SELECT said.*, noted.fabric_id, app.name, app.environment, app.revision, earlier.phase AS earlier_phase,
        (said.status ->> 'servingRevision')::bigint AS serving_revision
      FROM noted JOIN said USING (place)
      JOIN app ON app.app_id = said.app_id AND app.fabric_id = noted.fabric_id
      LEFT JOIN app_status AS earlier ON earlier.app_id = said.app_id
      WHERE said.observed_generation <= app.generation
    ),
    stored AS (
      INSERT INTO app_status (app_id, fabric_id, observed_generation, phase, status)
      SELECT app_id, fabric_id, observed_generation, phase, status FROM incoming ORDER BY app_id
      ON CONFLICT (app_id) DO UPDATE SET
        observed_generation = excluded.observed_generation, phase = excluded.phase,
        status = excluded.status, stored_at = now()
      WHERE app_status.observed_generation <= excluded.observed_generation
      RETURNING app_id
    ),
    -- What the agent says of a revision that it brought up, or that serves while it brings up a later one.
    served AS (
      UPDATE revision SET served_at = now()
      FROM incoming
      WHERE revision.app_id = incoming.app_id AND revision.revision = incoming.serving_revision
        AND revision.served_at IS NULL
        AND (incoming.phase IN ('running', 'degraded') OR incoming.serving_revision < incoming.revision)
    ),
    -- An agent that lost its state no longer has what it once reported.
    forgotten AS (
      DELETE FROM app_status USING noted
      WHERE noted.is_complete AND app_status.fabric_id = noted.fabric_id
        AND NOT EXISTS (SELECT FROM said WHERE said.place = noted.place AND said.app_id = app_status.app_id)
    ),
    changed AS (
      SELECT incoming.place, incoming.app_id, incoming.name, incoming.environment
      FROM incoming JOIN stored USING (app_id)
      WHERE incoming.earlier_phase IS DISTINCT FROM incoming.phase
    )
    SELECT noted.place, changed.app_id, changed.name, changed.environment
    FROM noted LEFT JOIN changed USING (place) ORDER BY noted.place, changed.app_id
  `.execute(tx);
  await announceObserved(tx, changesOf(reports, rows));
  return new Set(rows.map((row) => row.place));
}

function changesOf(reports: readonly StatusReport[], rows: readonly NotedRow[]): readonly ObservedChange[] {
  return rows.flatMap(({ place, app_id, name, environment }) => {
    const report = reports[place];
    const status = report?.apps.find((app) => app.appId === app_id);
    if (!report || !status) return [];
    return [{ fabricId: report.fabricId, at: report.now, status, appName: name ?? "", environment: environment ?? "" }];
  });
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
