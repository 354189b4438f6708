import { sql, type Store } from "@drawbridge/store";
import { bindingsOf, distinctBindings, type ApiBinding } from "../domain/api-binding.ts";
import { appId, type FabricId } from "../domain/ids.ts";
import type { RuntimeDatabase } from "./schema.ts";

export interface FabricBindings {
  readonly organisation: string;
  /** Desired generation of the fabric that they are of. */
  readonly generation: bigint;
  readonly bindings: readonly ApiBinding[];
}

export interface ApiBindingRepository {
  /** Of the desired revision of each app, and of one that still serves; undefined when there is no such fabric. */
  ofFabric(fabricId: FabricId): Promise<FabricBindings | undefined>;
  /** Fabrics with an app whose manifest declares an API, by id, after `after`. */
  boundFabrics(page: { readonly after: string; readonly limit: number }): Promise<readonly FabricId[]>;
  /** Those of `fabricIds`. */
  boundAmong(fabricIds: readonly FabricId[]): Promise<readonly FabricId[]>;
}

const noFabric = "00000000-0000-0000-0000-000000000000";

export function createApiBindingRepository(store: Pick<Store<RuntimeDatabase>, "db">): ApiBindingRepository {
  return {
    ofFabric: async (fabricId) => {
      // One statement, so that bindings and generation are of one moment.
      const { rows } = await sql<BindingRow>`
        WITH declaring AS (
          SELECT app.app_id, app.name, app.environment, app.manifest_json FROM app
          WHERE app.fabric_id = ${fabricId} AND app.is_bound
          UNION ALL
          SELECT app.app_id, app.name, app.environment, revision.manifest_json FROM app
          JOIN app_status USING (app_id)
          JOIN revision ON revision.app_id = app.app_id AND revision.revision <> app.revision
            AND revision.revision = (app_status.status ->> 'servingRevision')::bigint
          WHERE app.fabric_id = ${fabricId} AND revision.manifest_json <> ''
        )
        SELECT fabric.org, fabric.desired_generation, declaring.app_id, declaring.name, declaring.environment,
          declaring.manifest_json::jsonb -> 'apis' AS apis
        FROM fabric LEFT JOIN declaring ON true
        WHERE fabric.fabric_id = ${fabricId} AND fabric.deleted_at IS NULL
        ORDER BY declaring.environment, declaring.name, declaring.app_id
      `.execute(store.db);
      const [first] = rows;
      if (!first) return undefined;
      const bindings = rows.flatMap((row) => {
        if (row.app_id === null) return [];
        return bindingsOf({ appId: appId(row.app_id), appName: row.name, environment: row.environment }, row.apis);
      });
      return {
        organisation: first.org,
        generation: BigInt(first.desired_generation),
        bindings: distinctBindings(bindings),
      };
    },
    boundFabrics: async ({ after, limit }) => {
      const { rows } = await sql<{ fabric_id: FabricId }>`
        SELECT DISTINCT app.fabric_id FROM app JOIN fabric USING (fabric_id)
        WHERE app.is_bound AND fabric.deleted_at IS NULL AND app.fabric_id > ${after === "" ? noFabric : after}::uuid
        ORDER BY app.fabric_id LIMIT ${limit}
      `.execute(store.db);
      return rows.map((row) => row.fabric_id);
    },
    boundAmong: async (fabricIds) => {
      const { rows } = await sql<{ fabric_id: FabricId }>`
        SELECT DISTINCT fabric_id FROM app WHERE is_bound AND fabric_id = ANY(${fabricIds}::uuid[])
      `.execute(store.db);
      return rows.map((row) => row.fabric_id);
    },
  };
}

/** The columns of an app are null together, with its id. */
type BindingRow = { readonly org: string; readonly desired_generation: string } & (
  | { readonly app_id: null }
  | { readonly app_id: string; readonly name: string; readonly environment: string; readonly apis: unknown }
);
