import type { Store } from "@drawbridge/store";
import { sql } from "kysely";
import type { AppRecord } from "../domain/app.ts";
import type { FabricId } from "../domain/ids.ts";
import { pruneToken } from "../domain/prune-guard.ts";
import { appFromRow } from "./app-row.ts";
import type { RuntimeDatabase } from "./schema.ts";

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
  | { readonly access: "revoked" | "superseded" | "unknown" };

export interface SnapshotRepository {
  /** May this agent, with this certificate, read its fabric's snapshot; and which generation is it at? */
  access(agent: {
    readonly fabricId: string;
    readonly agentId: string;
    readonly serialNumber: string;
  }): Promise<SnapshotAccess>;
  /** undefined when there is no such fabric, or no longer. Apps and generation are of one moment. */
  read(fabricId: FabricId): Promise<DesiredFabric | undefined>;
  /** Desired generations now, by fabric; a fabric that is gone is missing. */
  generations(fabricIds: readonly FabricId[]): Promise<ReadonlyMap<FabricId, bigint>>;
}

export function createSnapshotRepository(store: Store<RuntimeDatabase>): SnapshotRepository {
  return {
    access: async ({ fabricId, agentId, serialNumber }) => {
      const row = await store.db
        .selectFrom("fabric")
        .leftJoin("certificate", (join) => join.on("certificate.serial_number", "=", serialNumber))
        .select([
          "fabric.desired_generation",
          "fabric.agent_id",
          "certificate.revoked_at",
          "certificate.agent_id as owner",
        ])
        .where("fabric.fabric_id", "=", fabricId)
        .where("fabric.deleted_at", "is", null)
        .executeTakeFirst();
      if (row?.revoked_at) return { access: "revoked" };
      if (!row || row.owner !== agentId) return { access: "unknown" };
      if (row.agent_id !== agentId) return { access: "superseded" };
      return { access: "allowed", generation: BigInt(row.desired_generation) };
    },
    read: async (id) => {
      // One statement sees one moment: a generation never comes with another one's apps.
      const rows = await store.db
        .selectFrom("fabric")
        .innerJoin("incarnation", (join) => join.onTrue())
        .leftJoin("app", "app.fabric_id", "fabric.fabric_id")
        .selectAll("app")
        .select(["incarnation.incarnation_id", "fabric.desired_generation", "fabric.generation_at"])
        .where("fabric.fabric_id", "=", id)
        .where("fabric.deleted_at", "is", null)
        .orderBy("app.app_id")
        .execute();
      const [first] = rows;
      if (!first) return undefined;
      const apps = rows.flatMap((row) => {
        // Kysely types the columns of a left join as nullable one by one; they are null together, with the key.
        return row.app_id === null ? [] : [appFromRow(row as Parameters<typeof appFromRow>[0])];
      });
      const live = apps.filter((app) => app.life.state === "live");
      const deleting = apps.filter((app): app is DesiredFabric["deleting"][number] => app.life.state === "deleting");
      return {
        fabricId: id,
        incarnationId: first.incarnation_id,
        generation: BigInt(first.desired_generation),
        generationAt: first.generation_at,
        live,
        deleting,
        pruneToken: pruneToken({
          incarnationId: first.incarnation_id,
          fabricId: id,
          liveApps: live.length,
          deleted: deletedApps(apps),
        }),
      };
    },
    generations: async (fabricIds) => {
      const { rows } = await sql<{ fabric_id: FabricId; desired_generation: string }>`
        SELECT fabric_id, desired_generation FROM fabric
        WHERE fabric_id = ANY(${fabricIds}::uuid[]) AND deleted_at IS NULL
      `.execute(store.db);
      return new Map(rows.map((row) => [row.fabric_id, BigInt(row.desired_generation)]));
    },
  };
}

function deletedApps(apps: readonly AppRecord[]) {
  return apps.flatMap(({ spec, life }) =>
    life.state === "deleting" ? [{ appId: spec.appId, requestId: life.requestId }] : [],
  );
}
