import type { Store } from "@drawbridge/store";
import { sql, type Kysely, type Selectable } from "kysely";
import type { AppRecord } from "../domain/app.ts";
import type { LockReason } from "../domain/fabric.ts";
import type { FabricId } from "../domain/ids.ts";
import { pruneToken } from "../domain/prune-guard.ts";
import { appFromRow, type AppRow } from "./app-row.ts";
import { inheritedGatekeeperColumns } from "./gatekeeper-settings.ts";
import { createBatcher } from "./batcher.ts";
import type { AppTable, RuntimeDatabase } from "./schema.ts";

/** Everything that one fabric should run, as it was at one generation. */
export interface DesiredFabric {
  readonly fabricId: FabricId;
  readonly incarnationId: string;
  readonly generation: bigint;
  /** When the generation was made. */
  readonly generationAt: Date;
  /** By app id. */
  readonly live: readonly AppRecord[];
  /** By app id. */
  readonly deleting: readonly (AppRecord & { readonly life: { readonly state: "deleting" } })[];
  readonly pruneToken: string;
}

export type SnapshotAccess =
  | { readonly access: "allowed"; readonly generation: bigint }
  | { readonly access: "locked"; readonly reason: LockReason }
  | { readonly access: "revoked" | "superseded" | "unknown" };

export interface SnapshotReader {
  readonly fabricId: string;
  readonly agentId: string;
  readonly serialNumber: string;
}

export interface SnapshotRepository {
  /** May this agent, with this certificate, read its fabric's snapshot; and which generation is it at? */
  access(agent: SnapshotReader): Promise<SnapshotAccess>;
  /** undefined when there is no such fabric, or no longer. Apps and generation are of one moment. */
  read(fabricId: FabricId): Promise<DesiredFabric | undefined>;
  /** Desired generations now, by fabric; a fabric that is gone is missing. */
  generations(fabricIds: readonly FabricId[]): Promise<ReadonlyMap<FabricId, bigint>>;
}

export function createSnapshotRepository(store: Store<RuntimeDatabase>): SnapshotRepository {
  return {
    access: createBatcher({ size: 256, lanes: 2, run: (agents) => readAccess(store.db, agents) }),
    read: createBatcher({ size: 128, lanes: 2, keyOf: (id) => id, run: (ids) => readDesired(store.db, ids) }),
    generations: async (fabricIds) => {
      const { rows } = await sql<{ fabric_id: FabricId; desired_generation: string }>`
        SELECT fabric_id, desired_generation FROM fabric
        WHERE fabric_id = ANY(${fabricIds}::uuid[]) AND deleted_at IS NULL
      `.execute(store.db);
      return new Map(rows.map((row) => [row.fabric_id, BigInt(row.desired_generation)]));
    },
  };
}

async function readAccess(
  db: Kysely<RuntimeDatabase>,
  agents: readonly SnapshotReader[],
): Promise<readonly SnapshotAccess[]> {
  const { rows } = await sql<{
    desired_generation: string | null;
    agent_id: string | null;
    revoked_at: Date | null;
    owner: string | null;
    lock_reason: "" | LockReason | null;
  }>`
    SELECT fabric.desired_generation, fabric.agent_id, certificate.revoked_at, certificate.agent_id AS owner,
      agent.lock_reason
    FROM unnest(
      ${agents.map((agent) => agent.fabricId)}::uuid[],
      ${agents.map((agent) => agent.serialNumber)}::text[]
    ) WITH ORDINALITY AS asked (fabric_id, serial_number, place)
    LEFT JOIN fabric ON fabric.fabric_id = asked.fabric_id AND fabric.deleted_at IS NULL
    LEFT JOIN agent ON agent.agent_id = fabric.agent_id
    LEFT JOIN certificate ON certificate.serial_number = asked.serial_number
    ORDER BY asked.place
  `.execute(db);
  return rows.map((row, index): SnapshotAccess => {
    const agentId = agents[index]?.agentId;
    if (row.revoked_at) return { access: "revoked" };
    if (row.desired_generation === null || row.owner !== agentId) return { access: "unknown" };
    if (row.agent_id !== agentId) return { access: "superseded" };
    if (row.lock_reason) return { access: "locked", reason: row.lock_reason };
    return { access: "allowed", generation: BigInt(row.desired_generation) };
  });
}

/** One statement sees one moment: a generation never comes with another one's apps. */
async function readDesired(
  db: Kysely<RuntimeDatabase>,
  fabricIds: readonly FabricId[],
): Promise<readonly (DesiredFabric | undefined)[]> {
  const rows = await db
    .selectFrom("fabric")
    .innerJoin("incarnation", (join) => join.onTrue())
    .leftJoin("app", "app.fabric_id", "fabric.fabric_id")
    .selectAll("app")
    .select(inheritedGatekeeperColumns)
    .select(["fabric.fabric_id as home_fabric_id", "incarnation.incarnation_id"])
    .select(["fabric.desired_generation", "fabric.generation_at"])
    .where("fabric.fabric_id", "=", sql<string>`ANY(${fabricIds}::uuid[])`)
    .where("fabric.deleted_at", "is", null)
    .orderBy("app.app_id")
    .execute();
  const byFabric = Map.groupBy(rows, (row) => row.home_fabric_id);
  return fabricIds.map((id) => desiredFabric(id, byFabric.get(id) ?? []));
}

type DesiredRow = { readonly [Column in keyof Selectable<AppTable>]: Selectable<AppTable>[Column] | null } & {
  readonly incarnation_id: string;
  readonly desired_generation: string;
  readonly generation_at: Date;
  readonly environment_gatekeeper: string;
  readonly fabric_gatekeeper: string;
};

function desiredFabric(fabricId: FabricId, rows: readonly DesiredRow[]): DesiredFabric | undefined {
  const [first] = rows;
  if (!first) return undefined;
  const apps = rows.flatMap((row) => {
    // The columns of a left join are null together, with the key.
    return row.app_id === null ? [] : [appFromRow(row as AppRow)];
  });
  const live = apps.filter((app) => app.life.state === "live");
  return {
    fabricId,
    incarnationId: first.incarnation_id,
    generation: BigInt(first.desired_generation),
    generationAt: first.generation_at,
    live,
    deleting: apps.filter((app): app is DesiredFabric["deleting"][number] => app.life.state === "deleting"),
    pruneToken: pruneToken({
      incarnationId: first.incarnation_id,
      fabricId,
      liveApps: live.length,
      deleted: deletedApps(apps),
    }),
  };
}

function deletedApps(apps: readonly AppRecord[]) {
  return apps.flatMap(({ spec, life }) =>
    life.state === "deleting" ? [{ appId: spec.appId, requestId: life.requestId }] : [],
  );
}
