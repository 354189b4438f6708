import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import { sql, type Kysely } from "kysely";
import { assertClockLimits } from "../domain/clock-limits.ts";
import type { Fabric } from "../domain/fabric.ts";
import { fabricId, isUuid, type AgentId, type FabricId } from "../domain/ids.ts";
import { limits } from "../domain/limits.ts";
import { announceFabric } from "../events/fabric-events.ts";
import { clockLimitsFromRow, fabricFromRow } from "./fabric-row.ts";
import type { RuntimeDatabase } from "./schema.ts";

export interface FabricRepository {
  /** Idempotent by organisation and name; an existing fabric gets the environments that it lacks. At least one. */
  create(fabric: {
    readonly fabricId: FabricId;
    readonly org: string;
    readonly name: string;
    readonly region: string;
    readonly environments: readonly string[];
    readonly now: Date;
  }): Promise<{ readonly fabric: Fabric; readonly created: boolean }>;
  /** By id or name. @throws DrawbridgeError `FABRIC_NOT_FOUND` */
  get(org: string, idOrName: string): Promise<Fabric>;
  /** Give a fabric limits of its own; null takes them away, undefined leaves them. @throws DrawbridgeError `FABRIC_NOT_FOUND` | `CLOCK_LIMITS_INVALID` */
  setClockLimits(change: {
    readonly org: string;
    readonly idOrName: string;
    readonly warnSeconds: number | null | undefined;
    readonly failSeconds: number | null | undefined;
  }): Promise<Fabric>;
  /** By id, in any organisation. Rows of deleted fabrics are kept for good. */
  existence(id: string): Promise<"exists" | "deleted" | "never-existed">;
  /** Of a fabric by its id; undefined when it is gone. */
  environments(id: FabricId): Promise<readonly string[] | undefined>;
  /** By name, after `afterName`. */
  list(page: { readonly org: string; readonly afterName: string; readonly limit: number }): Promise<readonly Fabric[]>;
  /** @throws DrawbridgeError `FABRIC_NOT_FOUND` | `FABRIC_HAS_APPS` (failed_precondition) */
  delete(target: {
    readonly org: string;
    readonly idOrName: string;
    readonly apps: "must-be-none" | "are-forgotten";
    readonly dutyId: string;
    readonly now: Date;
  }): Promise<{ readonly fabricId: FabricId; readonly agentId: AgentId | undefined }>;
  /** Agents that are or were just connected: the size of the herd after a restart. */
  countAgents(): Promise<number>;
}

export function createFabricRepository(store: Store<RuntimeDatabase>): FabricRepository {
  async function get(org: string, idOrName: string): Promise<Fabric> {
    const row = await fabricRows(store.db)
      .where("fabric.org", "=", org)
      .where(isUuid(idOrName) ? "fabric.fabric_id" : "fabric.name", "=", idOrName)
      .executeTakeFirst();
    if (!row) throw fabricNotFound(idOrName);
    return fabricFromRow(row);
  }

  return {
    get,
    create: async ({ org, name, now, ...fabric }) => {
      const created = await store.transaction(async (tx) => {
        const row = await tx
          .insertInto("fabric")
          .values({
            fabric_id: fabric.fabricId,
            org,
            name,
            region: fabric.region,
            environments: [...fabric.environments],
            agent_id: null,
            agent_issued_at: null,
            generation_at: now,
            created_at: now,
            deleted_at: null,
          })
          .onConflict((conflict) =>
            conflict
              .columns(["org", "name"])
              .where("deleted_at", "is", null)
              .doUpdateSet({
                environments: sql`ARRAY(SELECT DISTINCT unnest(fabric.environments || excluded.environments) ORDER BY 1)`,
              }),
          )
          .returning(["fabric_id", "environments"])
          .executeTakeFirstOrThrow();
        if (row.environments.length > limits.environmentsPerFabric) throw tooManyEnvironments();
        if (row.fabric_id !== fabric.fabricId) return false;
        await announceFabric(tx, "created", { fabricId: row.fabric_id, name, agentId: "", replica: "", at: now });
        return true;
      });
      return { fabric: await get(org, name), created };
    },
    setClockLimits: async ({ org, idOrName, warnSeconds, failSeconds }) => {
      assertClockLimits({ warnSeconds: warnSeconds ?? undefined, failSeconds: failSeconds ?? undefined });
      await store.transaction(async (tx) => {
        const set = {
          ...(warnSeconds !== undefined && { clock_skew_warn_seconds: warnSeconds }),
          ...(failSeconds !== undefined && { clock_skew_fail_seconds: failSeconds }),
        };
        const row = await tx
          .updateTable("fabric")
          .set({ name: sql`name`, ...set }) // a change of nothing still answers whether the fabric is there
          .where("org", "=", org)
          .where(isUuid(idOrName) ? "fabric_id" : "name", "=", idOrName)
          .where("deleted_at", "is", null)
          .returning(["agent_id", "clock_skew_warn_seconds", "clock_skew_fail_seconds"])
          .executeTakeFirst();
        if (!row) throw fabricNotFound(idOrName);
        assertClockLimits(clockLimitsFromRow(row));
        if (row.agent_id === null) return;
        await tx
          .updateTable("agent")
          .set({ alerts_due_at: sql`now()` })
          .where("agent_id", "=", row.agent_id)
          .execute();
      });
      return get(org, idOrName);
    },
    environments: async (id) => {
      const row = await store.db
        .selectFrom("fabric")
        .select("environments")
        .where("fabric_id", "=", id)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      return row?.environments;
    },
    existence: async (id) => {
      const row = await store.db
        .selectFrom("fabric")
        .select("deleted_at")
        .where("fabric_id", "=", id)
        .executeTakeFirst();
      if (!row) return "never-existed";
      return row.deleted_at === null ? "exists" : "deleted";
    },
    list: async ({ org, afterName, limit }) => {
      const rows = await fabricRows(store.db)
        .where("fabric.org", "=", org)
        .where("fabric.name", ">", afterName)
        .orderBy("fabric.name")
        .limit(limit)
        .execute();
      return rows.map((row) => fabricFromRow(row));
    },
    delete: ({ org, idOrName, apps, dutyId, now }) =>
      store.transaction(async (tx) => {
        const fabric = await tx
          .updateTable("fabric")
          .set({ deleted_at: now })
          .where("org", "=", org)
          .where(isUuid(idOrName) ? "fabric_id" : "name", "=", idOrName)
          .where("deleted_at", "is", null)
          .returning(["fabric_id", "name", "agent_id"])
          .executeTakeFirst();
        if (!fabric) throw fabricNotFound(idOrName);
        if (apps === "must-be-none") await assertNoApps(tx, fabric.fabric_id);
        // Names become free again; in the fabric nothing is removed, the agent simply gets no more wishes.
        await tx.deleteFrom("app").where("fabric_id", "=", fabric.fabric_id).execute();
        await tx
          .insertInto("revocation_duty")
          .values({
            duty_id: dutyId,
            fabric_id: fabric.fabric_id,
            serial_number: "",
            reason: "fabric deleted",
            created_at: now,
          })
          .execute();
        const agentId = fabric.agent_id;
        await announceFabric(tx, "deleted", {
          fabricId: fabric.fabric_id,
          name: fabric.name,
          agentId: agentId ?? "",
          replica: "",
          at: now,
        });
        // agent_id is written by this service from a verified SPIFFE ID only
        return { fabricId: fabricId(fabric.fabric_id), agentId: agentId === null ? undefined : (agentId as AgentId) };
      }),
    countAgents: async () => {
      const { count } = await store.db
        .selectFrom("agent")
        .select((eb) => eb.fn.countAll<string>().as("count"))
        .where("state", "<>", "disconnected")
        .executeTakeFirstOrThrow();
      return Number(count);
    },
  };
}

function fabricRows(db: Kysely<RuntimeDatabase>) {
  return db
    .selectFrom("fabric")
    .leftJoin("agent", "agent.agent_id", "fabric.agent_id")
    .selectAll("fabric")
    .select([
      "agent.state",
      "agent.replica",
      "agent.last_seen_at",
      "agent.observed_generation",
      "agent.clock_skew_ms",
      "agent.cluster",
      "agent.shown_alerts",
      "agent.certificate_serial",
      "agent.certificate_not_after",
      "agent.certificates",
      "agent.trust_bundle_sequence",
      "agent.lock_reason",
      "agent.lock_message",
      "agent.locked_at",
    ])
    .select((eb) =>
      eb
        .selectFrom("app")
        .select((count) => count.fn.countAll<string>().as("count"))
        .whereRef("app.fabric_id", "=", "fabric.fabric_id")
        .where("app.deleted_at", "is", null)
        .$asScalar()
        .$notNull()
        .as("app_count"),
    )
    .where("fabric.deleted_at", "is", null);
}

async function assertNoApps(db: Kysely<RuntimeDatabase>, fabric: string): Promise<void> {
  const app = await db
    .selectFrom("app")
    .select(["environment", "name"])
    .where("fabric_id", "=", fabric)
    .where("deleted_at", "is", null)
    .limit(1)
    .executeTakeFirst();
  if (!app) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "FABRIC_HAS_APPS",
    message: `apps are deployed to the fabric, for example ${app.environment}/${app.name}; delete them first, or force it`,
  });
}

export function fabricNotFound(idOrName: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "FABRIC_NOT_FOUND",
    message: `there is no fabric "${idOrName.slice(0, 63)}"`,
  });
}

function tooManyEnvironments(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "FABRIC_ENVIRONMENTS_INVALID",
    message: `a fabric runs 1 to ${limits.environmentsPerFabric} environments`,
  });
}
