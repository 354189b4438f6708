import type { Store } from "@drawbridge/store";
import { sql, type Transaction } from "kysely";
import { assertGatekeeper, gatekeeperInvalid } from "../domain/gatekeeper.ts";
import type { FabricId } from "../domain/ids.ts";
import type { RuntimeDatabase } from "./schema.ts";

export interface GatekeeperSetting {
  readonly kind: "environment" | "fabric";
  /** Name of the environment, id of the fabric. */
  readonly name: string;
  /** Empty for none. */
  readonly value: string;
}

/** A fabric whose snapshot is another one now. */
export interface ChangedFabric {
  readonly fabricId: FabricId;
  readonly generation: bigint;
}

export interface GatekeeperSettings {
  /** By kind and name. */
  list(org: string): Promise<readonly GatekeeperSetting[]>;
  /**
   * Answers with the fabrics that have an app for which it counts.
   * @throws DrawbridgeError `GATEKEEPER_INVALID` (invalid_argument): not valid for the runtime version of such an app
   */
  set(change: GatekeeperSetting & { readonly org: string; readonly now: Date }): Promise<readonly ChangedFabric[]>;
}

const values: ReadonlySet<string> = new Set(["", "strict", "flexible", "disabled", "true", "false"]);

export function createGatekeeperSettings(store: Store<RuntimeDatabase>): GatekeeperSettings {
  return {
    list: async (org) => {
      const rows = await store.db
        .selectFrom("gatekeeper_setting")
        .select(["kind", "name", "value"])
        .where("org", "=", org)
        .orderBy("kind")
        .orderBy("name")
        .execute();
      return rows;
    },
    set: (change) => {
      if (!values.has(change.value)) {
        throw gatekeeperInvalid(
          "a gatekeeper level is strict, flexible or disabled; true and false are accepted of old",
        );
      }
      return store.transaction((tx) => setTogether(tx, change));
    },
  };
}

async function setTogether(
  tx: Transaction<RuntimeDatabase>,
  { org, kind, name, value, now }: GatekeeperSetting & { readonly org: string; readonly now: Date },
): Promise<readonly ChangedFabric[]> {
  // First the fabrics, in the order that commands take: what an app is deployed with meanwhile waits for this, or is seen here.
  const { rows: fabrics } = await sql<{ fabric_id: FabricId }>`
    SELECT fabric_id FROM fabric WHERE org = ${org} AND deleted_at IS NULL
      AND CASE WHEN ${kind} = 'fabric' THEN fabric_id::text = ${name} ELSE ${name} = ANY(environments) END
    ORDER BY fabric_id FOR NO KEY UPDATE
  `.execute(tx);
  if (value === "") {
    await tx
      .deleteFrom("gatekeeper_setting")
      .where("org", "=", org)
      .where("kind", "=", kind)
      .where("name", "=", name)
      .execute();
  } else {
    await tx
      .insertInto("gatekeeper_setting")
      .values({ org, kind, name, value })
      .onConflict((conflict) => conflict.columns(["org", "kind", "name"]).doUpdateSet({ value }))
      .execute();
  }
  const ids = fabrics.map((row) => row.fabric_id);
  const { rows: apps } = await sql<AppRow>`
    SELECT app.name, app.fabric_id, app.manifest_json, app.gatekeeper, ${inheritedGatekeeper}
    FROM app WHERE app.fabric_id = ANY(${ids}::uuid[]) AND app.deleted_at IS NULL AND app.is_bound
      AND (${kind} = 'fabric' OR app.environment = ${name})
    ORDER BY app.fabric_id, app.app_id
  `.execute(tx);
  for (const app of apps) {
    const { gatekeeper, environment_gatekeeper, fabric_gatekeeper } = app;
    const set = { app: gatekeeper, environment: environment_gatekeeper, fabric: fabric_gatekeeper };
    assertGatekeeper(set, { name: app.name, manifestJson: app.manifest_json });
  }
  const concerned = [...new Set(apps.map((row) => row.fabric_id))];
  const { rows } = await sql<{ fabric_id: FabricId; desired_generation: string }>`
    UPDATE fabric SET desired_generation = desired_generation + 1, generation_at = ${now}
    WHERE fabric_id = ANY(${concerned}::uuid[])
    RETURNING fabric_id, desired_generation
  `.execute(tx);
  return rows.map((row) => ({ fabricId: row.fabric_id, generation: BigInt(row.desired_generation) }));
}

interface AppRow {
  readonly name: string;
  readonly fabric_id: FabricId;
  readonly manifest_json: string;
  readonly gatekeeper: string;
  readonly environment_gatekeeper: string;
  readonly fabric_gatekeeper: string;
}

const environmentGatekeeper = sql<string>`coalesce((SELECT value FROM gatekeeper_setting AS setting
  WHERE setting.org = app.org AND setting.kind = 'environment' AND setting.name = app.environment), '')`;
const fabricGatekeeper = sql<string>`coalesce((SELECT value FROM gatekeeper_setting AS setting
  WHERE setting.org = app.org AND setting.kind = 'fabric' AND setting.name = app.fabric_id::text), '')`;

/** Columns of what counts for a row of `app` besides its own setting. */
export const inheritedGatekeeper = sql`${environmentGatekeeper} AS environment_gatekeeper,
  ${fabricGatekeeper} AS fabric_gatekeeper`;

export const inheritedGatekeeperColumns = [
  environmentGatekeeper.as("environment_gatekeeper"),
  fabricGatekeeper.as("fabric_gatekeeper"),
] as const;
