import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Insertable, type Transaction } from "kysely";
import type { AppRecord } from "../domain/app.ts";
import { limits } from "../domain/limits.ts";
import type { Change, CommandFacts } from "../domain/plan-change.ts";
import { announceDesired } from "../events/deployment-events.ts";
import { assertRoutesFree } from "./assert-routes-free.ts";
import { appToRow, revisionToRow } from "./app-row.ts";
import type { AppTable, RequestTable, RevisionTable, RuntimeDatabase } from "./schema.ts";

/** A change that was planned on `current`. */
export interface Written {
  readonly change: Extract<Change, { readonly outcome: "changed" }>;
  readonly current: AppRecord | undefined;
  readonly answer: Insertable<RequestTable>;
  readonly facts: CommandFacts;
}

/**
 * Write changes of different fabrics: apps, revisions, answers and generations in one statement, and the events. All
 * or nothing. Answers with the fabrics' new generations, in the order of the changes.
 * @throws DrawbridgeError `STORE_CONFLICT` (aborted): an app was not at the generation that its change was planned on
 */
export async function writeChanges(
  tx: Transaction<RuntimeDatabase>,
  batch: readonly Written[],
): Promise<readonly bigint[]> {
  const apps = batch.map(({ change, current }) => ({
    ...appToJson(appToRow(change.app)),
    planned_on: current === undefined ? null : String(current.spec.generation),
  }));
  const revisions = batch.flatMap(({ change: { app, revision } }) =>
    revision ? [revisionToJson(revisionToRow(app.spec.appId, revision))] : [],
  );
  const answers = batch.map(({ answer }) => answerToJson(answer));
  const { rows } = await sql<{ fabric_id: string; desired_generation: string }>`
    WITH planned AS MATERIALIZED (
      SELECT app.*, extra.planned_on FROM jsonb_array_elements(${JSON.stringify(apps)}::jsonb) AS item
      CROSS JOIN LATERAL jsonb_populate_record(NULL::app, item) AS app
      CROSS JOIN LATERAL jsonb_to_record(item) AS extra (planned_on bigint)
    ),
    -- First the fabrics, in one order: nobody who holds a fabric's app waits for somebody who waits for the fabric.
    locked AS MATERIALIZED (
      SELECT fabric_id FROM fabric WHERE fabric_id IN (SELECT fabric_id FROM planned) AND deleted_at IS NULL
      ORDER BY fabric_id FOR NO KEY UPDATE
    ),
    updated AS (
      UPDATE app SET (generation, revision, version, desired_state, replicas, restart_nonce, bundle, configuration,
          public_port, strategy, spec_digest, traceparent, manifest_json, updated_at, deleted_at, delete_request_id,
          gatekeeper, routes) =
        (planned.generation, planned.revision, planned.version, planned.desired_state, planned.replicas,
          planned.restart_nonce, planned.bundle, planned.configuration, planned.public_port, planned.strategy,
          planned.spec_digest, planned.traceparent, planned.manifest_json, planned.updated_at, planned.deleted_at,
          planned.delete_request_id, planned.gatekeeper, planned.routes)
      FROM planned JOIN locked USING (fabric_id)
      WHERE app.app_id = planned.app_id AND app.generation = planned.planned_on AND app.deleted_at IS NULL
      RETURNING app.fabric_id, app.updated_at
    ),
    inserted AS (
      INSERT INTO app (app_id, fabric_id, org, environment, name, generation, revision, version, desired_state, replicas,
          restart_nonce, bundle, configuration, public_port, strategy, spec_digest, traceparent, manifest_json,
          created_at, updated_at, gatekeeper, routes)
      SELECT app_id, fabric_id, org, environment, name, generation, revision, version, desired_state, replicas,
          restart_nonce, bundle, configuration, public_port, strategy, spec_digest, traceparent, manifest_json,
          created_at, updated_at, gatekeeper, routes
      FROM planned JOIN locked USING (fabric_id) WHERE planned_on IS NULL
      RETURNING fabric_id, updated_at
    ),
    revised AS (
      INSERT INTO revision SELECT * FROM jsonb_populate_recordset(NULL::revision, ${JSON.stringify(revisions)}::jsonb)
    ),
    forgotten AS (
      DELETE FROM revision USING planned
      WHERE revision.app_id = planned.app_id AND revision.revision <= planned.revision - ${limits.revisionsPerApp}
    ),
    answered AS (
      INSERT INTO request SELECT * FROM jsonb_populate_recordset(NULL::request, ${JSON.stringify(answers)}::jsonb)
    )
    UPDATE fabric SET desired_generation = desired_generation + 1, generation_at = written.updated_at
    FROM (SELECT * FROM updated UNION ALL SELECT * FROM inserted) AS written
    WHERE fabric.fabric_id = written.fabric_id
    RETURNING fabric.fabric_id, fabric.desired_generation
  `.execute(tx);
  if (rows.length !== batch.length) throw conflict();
  await assertRoutesFree(tx, batch);
  const generations = new Map(rows.map((row) => [row.fabric_id, BigInt(row.desired_generation)]));
  const changes = batch.map(({ change: { app, action }, facts }) => {
    const generation = generations.get(app.fabricId);
    if (generation === undefined) throw conflict();
    return { app, action, generation, requestedBy: facts.requestedBy, at: facts.now, traceparent: facts.traceparent };
  });
  await announceDesired(tx, changes);
  return changes.map(({ generation }) => generation);
}

/** Rows as PostgreSQL reads them from JSON: numbers that may be large as text, jsonb as values, bytea in hex. */
function appToJson({ bundle, configuration, strategy, routes, ...row }: Insertable<AppTable>) {
  return {
    ...row,
    routes: parsed(routes),
    generation: String(row.generation),
    revision: String(row.revision),
    bundle: JSON.parse(bundle) as unknown,
    configuration: parsed(configuration),
    strategy: JSON.parse(strategy) as unknown,
  };
}

function revisionToJson({ bundle, configuration, revision, ...row }: Insertable<RevisionTable>) {
  return {
    ...row,
    revision: String(revision),
    bundle: JSON.parse(bundle) as unknown,
    configuration: parsed(configuration),
  };
}

function answerToJson({ request_sha256: sha256, response, ...row }: Insertable<RequestTable>) {
  return { ...row, request_sha256: hex(sha256), response: hex(response) };
}

function parsed(json: string | null | undefined): unknown {
  return json === null || json === undefined ? null : JSON.parse(json);
}

function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString("hex")}`;
}

export function conflict(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "aborted",
    code: "STORE_CONFLICT",
    message: "the app was changed at the same moment; try again",
  });
}
