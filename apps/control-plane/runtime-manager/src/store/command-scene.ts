import { sql, type Kysely, type Selectable } from "kysely";
import type { AppAddress, AppRecord } from "../domain/app.ts";
import { isUuid } from "../domain/ids.ts";
import { appFromRow, type AppRow } from "./app-row.ts";
import { inheritedGatekeeper } from "./gatekeeper-settings.ts";
import type { AgentTable, AppStatusTable, AppTable, RuntimeDatabase, StatusJson } from "./schema.ts";

type AppColumns = Selectable<AppTable>;

/**
 * What a command looks at, in one row: the fabric of the app or the one to deploy to, the live app, its status, and the
 * answer that the request_id got before; each all null where there is none.
 */
export type Scene = { readonly [Column in keyof AppColumns]: AppColumns[Column] | null } & {
  readonly environment_gatekeeper: string;
  readonly fabric_gatekeeper: string;
  /** Of the environment and fabric that the command is for, also where there is no app yet. */
  readonly asked_environment_gatekeeper: string;
  readonly home_fabric_gatekeeper: string;
  readonly home_fabric_id: string | null;
  readonly fabric_name: string | null;
  readonly environments: string[] | null;
  readonly app_count: string;
  readonly state: Selectable<AgentTable>["state"] | null;
  readonly replica: string | null;
  readonly observed_generation: string | null;
  readonly phase: Selectable<AppStatusTable>["phase"] | null;
  readonly status: StatusJson | null;
  readonly method: string | null;
  readonly request_sha256: Uint8Array | null;
  readonly response: Uint8Array | null;
};

export interface SceneQuery {
  readonly app: AppAddress;
  /** Only deploy names a fabric, by id or name; empty for the one that the app is on. */
  readonly creates: { readonly fabric: string } | undefined;
  readonly facts: { readonly requestId: string };
}

/** One statement, so each scene is of one moment. In the order of the queries. */
export async function readScenes(
  db: Kysely<RuntimeDatabase>,
  queries: readonly SceneQuery[],
): Promise<readonly Scene[]> {
  const { rows } = await sql<Scene>`
    SELECT app.*, ${inheritedGatekeeper},
      coalesce((SELECT value FROM gatekeeper_setting AS setting WHERE setting.org = asked.org
        AND setting.kind = 'environment' AND setting.name = asked.environment), '') AS asked_environment_gatekeeper,
      coalesce((SELECT value FROM gatekeeper_setting AS setting WHERE setting.org = asked.org
        AND setting.kind = 'fabric' AND setting.name = fabric.fabric_id::text), '') AS home_fabric_gatekeeper,
      fabric.fabric_id AS home_fabric_id, fabric.name AS fabric_name, fabric.environments,
      agent.state, agent.replica, app_status.observed_generation, app_status.phase, app_status.status,
      request.method, request.request_sha256, request.response,
      (SELECT count(*) FROM app AS other WHERE other.fabric_id = fabric.fabric_id AND other.deleted_at IS NULL) AS app_count
    FROM unnest(
      ${queries.map(({ app }) => app.org)}::text[],
      ${queries.map(({ app }) => app.environment)}::text[],
      ${queries.map(({ app }) => app.name)}::text[],
      ${queries.map(({ creates }) => creates?.fabric ?? "")}::text[],
      ${queries.map(({ creates }) => (isUuid(creates?.fabric ?? "") ? creates?.fabric : null))}::uuid[],
      ${queries.map(({ facts }) => facts.requestId)}::uuid[]
    ) WITH ORDINALITY AS asked (org, environment, name, fabric_name, fabric_id, request_id, place)
    LEFT JOIN app ON app.org = asked.org AND app.environment = asked.environment AND app.name = asked.name
      AND app.deleted_at IS NULL
    -- By name or id, each a look-up in its index; an app decides where it is.
    LEFT JOIN fabric AS named ON app.app_id IS NULL AND named.org = asked.org AND named.name = asked.fabric_name
      AND named.deleted_at IS NULL
    LEFT JOIN fabric ON fabric.deleted_at IS NULL AND fabric.org = asked.org
      AND fabric.fabric_id = COALESCE(app.fabric_id, named.fabric_id, asked.fabric_id)
    LEFT JOIN agent ON agent.agent_id = fabric.agent_id
    LEFT JOIN app_status ON app_status.app_id = app.app_id
    LEFT JOIN request ON request.request_id = asked.request_id
    ORDER BY asked.place
  `.execute(db);
  return rows;
}

/** Whether the organisation has a fabric of this id or name. */
export async function isFabric(db: Kysely<RuntimeDatabase>, org: string, idOrName: string): Promise<boolean> {
  const row = await db
    .selectFrom("fabric")
    .select("fabric_id")
    .where("org", "=", org)
    .where(isUuid(idOrName) ? "fabric_id" : "name", "=", idOrName)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  return row !== undefined;
}

export function appOfScene(scene: Scene): AppRecord | undefined {
  // Columns of a left join are null together, with the key.
  return scene.app_id === null ? undefined : appFromRow(scene as AppRow);
}
