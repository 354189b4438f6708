import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import type { Kysely, Selectable } from "kysely";
import type { AppAddress, AppRecord, Revision } from "../domain/app.ts";
import type { AppView, RevisionView } from "../domain/app-view.ts";
import { isStatusCurrent } from "../domain/fabric.ts";
import { isUuid } from "../domain/ids.ts";
import type { EarlierRevision } from "../domain/rollback-target.ts";
import { appFromRow, revisionFromRow, type AppRow } from "./app-row.ts";
import { fabricState } from "./fabric-row.ts";
import type { AgentTable, RuntimeDatabase, StatusJson } from "./schema.ts";
import { inheritedGatekeeperColumns } from "./gatekeeper-settings.ts";
import { statusFromRow } from "./status-row.ts";

export interface AppListPage {
  readonly org: string;
  readonly environments: readonly string[];
  /** Id or name; empty for all. */
  readonly fabric: string;
  /** Rows after this one; undefined for the first page. */
  readonly after: { readonly environment: string; readonly name: string; readonly appId: string } | undefined;
  readonly limit: number;
}

export interface AppRepository {
  /** The live app of that name, else one that is being deleted. @throws DrawbridgeError `APP_NOT_FOUND` */
  get(app: AppAddress): Promise<AppView>;
  /** By environment and name. */
  list(page: AppListPage): Promise<readonly AppView[]>;
  /** Newest first, below `before`. @throws DrawbridgeError `APP_NOT_FOUND` */
  revisions(
    app: AppAddress,
    page: { readonly before: bigint | undefined; readonly limit: number },
  ): Promise<readonly RevisionView[]>;
  /** Whether a digest belongs to anything that is deployed to the fabric, or that could be rolled back to there. */
  isEntitled(fabricId: string, digest: string): Promise<boolean>;
}

export function createAppRepository(store: Store<RuntimeDatabase>): AppRepository {
  async function get(address: AppAddress): Promise<AppView> {
    const row = await appRows(store.db)
      .where("app.org", "=", address.org)
      .where("app.environment", "=", address.environment)
      .where("app.name", "=", address.name)
      .orderBy("app.deleted_at", (order) => order.desc().nullsFirst())
      .limit(1)
      .executeTakeFirst();
    if (!row) throw appNotFound(address);
    return viewFromRow(row);
  }

  return {
    get,
    list: async (page) => {
      if (page.environments.length === 0) return [];
      let query = appRows(store.db)
        .where("app.org", "=", page.org)
        .where("app.environment", "in", page.environments)
        .orderBy("app.environment")
        .orderBy("app.name")
        .orderBy("app.app_id")
        .limit(page.limit);
      if (page.fabric !== "") {
        query = query.where(isUuid(page.fabric) ? "fabric.fabric_id" : "fabric.name", "=", page.fabric);
      }
      const { after } = page;
      if (after) {
        query = query.where((eb) =>
          eb(
            eb.refTuple("app.environment", "app.name", "app.app_id"),
            ">",
            eb.tuple(after.environment, after.name, after.appId),
          ),
        );
      }
      return (await query.execute()).map((row) => viewFromRow(row));
    },
    revisions: async (address, { before, limit }) => {
      const { app } = await get(address);
      let query = store.db.selectFrom("revision").selectAll().where("app_id", "=", app.spec.appId);
      if (before !== undefined) query = query.where("revision", "<", String(before));
      const rows = await query.orderBy("revision", "desc").limit(limit).execute();
      return rows.map((row) => {
        const revision = revisionFromRow(row);
        return { revision, isCurrent: revision.revision === app.spec.revision };
      });
    },
    isEntitled: async (fabricId, digest) => {
      const row = await store.db
        .selectFrom("revision")
        .innerJoin("app", "app.app_id", "revision.app_id")
        .innerJoin("fabric", "fabric.fabric_id", "app.fabric_id")
        .select("revision.app_id")
        .where("app.fabric_id", "=", fabricId)
        .where("app.deleted_at", "is", null)
        .where("fabric.deleted_at", "is", null)
        .where((eb) =>
          eb.or([
            eb(eb.ref("revision.bundle", "->>").key("digest"), "=", digest),
            eb(eb.ref("revision.configuration", "->>").key("digest" as never), "=", digest as never),
          ]),
        )
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

/** The revisions before the current one, newest first, without their manifests. */
export async function earlierRevisions(
  db: Kysely<RuntimeDatabase>,
  app: AppRecord,
): Promise<readonly EarlierRevision[]> {
  const rows = await db
    .selectFrom("revision")
    .select(["revision", "version", "bundle", "configuration", "served_at"])
    .where("app_id", "=", app.spec.appId)
    .where("revision", "<", String(app.spec.revision))
    .orderBy("revision", "desc")
    .execute();
  return rows.map((row) => ({
    revision: BigInt(row.revision),
    version: row.version,
    bundleDigest: row.bundle.digest,
    configurationDigest: row.configuration?.digest,
    servedAt: row.served_at ?? undefined,
  }));
}

/** @throws DrawbridgeError `REVISION_NOT_FOUND` */
export async function findRevision(
  db: Kysely<RuntimeDatabase>,
  app: AppRecord | undefined,
  number: bigint,
): Promise<Revision> {
  const row =
    app &&
    (await db
      .selectFrom("revision")
      .selectAll()
      .where("app_id", "=", app.spec.appId)
      .where("revision", "=", String(number))
      .executeTakeFirst());
  if (row) return revisionFromRow(row);
  throw new DrawbridgeError({
    kind: "not_found",
    code: "REVISION_NOT_FOUND",
    message: `the app has no revision ${number}, or no longer`,
  });
}

type AppViewRow = AppRow & {
  readonly fabric_name: string;
  readonly state: Selectable<AgentTable>["state"] | null;
  readonly replica: string | null;
  readonly observed_generation: string | null;
  readonly phase: "pending" | "progressing" | "running" | "stopped" | "failed" | "degraded" | null;
  readonly status: StatusJson | null;
};

function appRows(db: Kysely<RuntimeDatabase>) {
  return db
    .selectFrom("app")
    .innerJoin("fabric", "fabric.fabric_id", "app.fabric_id")
    .leftJoin("agent", "agent.agent_id", "fabric.agent_id")
    .leftJoin("app_status", "app_status.app_id", "app.app_id")
    .selectAll("app")
    .select([
      "fabric.name as fabric_name",
      "agent.state",
      "agent.replica",
      "app_status.observed_generation",
      "app_status.phase",
      "app_status.status",
    ])
    .select(inheritedGatekeeperColumns)
    .where("fabric.deleted_at", "is", null);
}

function viewFromRow(row: AppViewRow): AppView {
  const { app_id, observed_generation, phase, status } = row;
  return {
    app: appFromRow(row),
    fabricName: row.fabric_name,
    status:
      observed_generation === null || phase === null || status === null
        ? undefined
        : statusFromRow({ app_id, observed_generation, phase, status }),
    isStatusCurrent: isStatusCurrent({ state: fabricState(row.state), tunnelReplica: row.replica ?? "" }),
  };
}

export function appNotFound(app: AppAddress): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "APP_NOT_FOUND",
    message: `there is no app "${app.name.slice(0, 63)}" in the environment "${app.environment.slice(0, 63)}"`,
  });
}
