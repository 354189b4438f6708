import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import { sql, type Selectable, type Transaction } from "kysely";
import type { AppAddress, AppRecord, Revision } from "../domain/app.ts";
import type { AppView } from "../domain/app-view.ts";
import { isStatusCurrent } from "../domain/fabric.ts";
import { fabricId, isUuid, type FabricId } from "../domain/ids.ts";
import { limits } from "../domain/limits.ts";
import type { Change, CommandFacts, FabricForDeploy } from "../domain/plan-change.ts";
import { announceDesired } from "../events/deployment-events.ts";
import { appFromRow, appToRow, revisionToRow } from "./app-row.ts";
import { fabricNotFound } from "./fabrics.ts";
import { fabricState } from "./fabric-row.ts";
import type { AgentTable, FabricTable, RuntimeDatabase } from "./schema.ts";
import { statusFromRow } from "./status-row.ts";
import { appNotFound, findRevision } from "./apps.ts";

/** What the planner of a command may look at, all of it under the fabric's lock. */
export interface CommandScene {
  /** undefined when no live app has the name. */
  readonly current: AppRecord | undefined;
  readonly fabric: FabricForDeploy;
  /** @throws DrawbridgeError `REVISION_NOT_FOUND`; 0 asks for the one before the current one */
  readonly revision: (number: bigint) => Promise<Revision>;
}

export interface Command {
  readonly method: string;
  /** Of everything that the request says, so that a request_id cannot stand for two requests. */
  readonly requestSha256: Uint8Array;
  readonly facts: CommandFacts;
  readonly app: AppAddress;
  /** Only deploy creates apps; its fabric by id or name, empty for the one that the app is on. */
  readonly creates: { readonly fabric: string } | undefined;
  readonly plan: (scene: CommandScene) => Promise<Change>;
  /** The answer as bytes: kept, and given again to whoever repeats the request. */
  readonly encode: (view: AppView, outcome: Change["outcome"]) => Uint8Array;
}

export type CommandResult =
  | { readonly outcome: "replayed" | "unchanged"; readonly response: Uint8Array }
  | {
      readonly outcome: "changed";
      readonly response: Uint8Array;
      readonly fabricId: FabricId;
      readonly generation: bigint;
    };

type Tx = Transaction<RuntimeDatabase>;
type LockedFabric = Pick<
  Selectable<FabricTable>,
  "fabric_id" | "org" | "name" | "environments" | "desired_generation"
> & { readonly state: Selectable<AgentTable>["state"] | null; readonly replica: string | null };

/**
 * Runs commands that change what apps should be. Invariants:
 * - one transaction per command: app, revision, generation of the fabric, event and remembered answer, or nothing;
 * - all changes of one fabric stand in line behind its row's lock, so generations have no gaps and no doubles;
 * - a request_id makes one change for ever: of two at once the second meets the primary key of `request`, is rolled
 *   back, and reads the first one's answer.
 */
export function createCommandRunner(store: Store<RuntimeDatabase>): { run(command: Command): Promise<CommandResult> } {
  return {
    run: async (command) => {
      const earlier = await earlierAnswer(store, command);
      if (earlier) return earlier;
      try {
        return await store.transaction((tx) => runOnce(tx, command));
      } catch (error) {
        if (!isViolationOf(error, "request_pkey")) throw translated(error);
        const answer = await earlierAnswer(store, command);
        if (answer) return answer;
        throw error;
      }
    },
  };
}

async function earlierAnswer(store: Store<RuntimeDatabase>, command: Command): Promise<CommandResult | undefined> {
  const row = await store.db
    .selectFrom("request")
    .select(["method", "request_sha256", "response"])
    .where("request_id", "=", command.facts.requestId)
    .executeTakeFirst();
  if (!row) return undefined;
  if (row.method === command.method && Buffer.compare(row.request_sha256, command.requestSha256) === 0) {
    return { outcome: "replayed", response: row.response };
  }
  throw new DrawbridgeError({
    kind: "already_exists",
    code: "REQUEST_ID_REUSED",
    message: "this request_id was used for another request; make a new one",
  });
}

async function runOnce(tx: Tx, command: Command): Promise<CommandResult> {
  const { facts } = command;
  const locked = await lockFabric(tx, command);
  const { current, appCount } = await readScene(tx, command, locked);
  const change = await command.plan({
    current,
    fabric: { fabricId: fabricId(locked.fabric_id), environments: locked.environments, appCount },
    revision: (number) => findRevision(tx, current, number),
  });
  let generation = BigInt(locked.desired_generation);
  if (change.outcome === "changed") {
    generation = await write(tx, change, current, facts);
    const { app, action } = change;
    await announceDesired(tx, { app, action, generation, requestedBy: facts.requestedBy, at: facts.now });
  }
  const response = command.encode(await viewOf(tx, change.app, locked), change.outcome);
  await tx
    .insertInto("request")
    .values({
      request_id: facts.requestId,
      method: command.method,
      request_sha256: command.requestSha256,
      response,
      created_at: facts.now,
    })
    .execute();
  if (change.outcome === "unchanged") return { outcome: "unchanged", response };
  return { outcome: "changed", response, fabricId: fabricId(locked.fabric_id), generation };
}

/** The fabric of the app, or the one to deploy to. Everything else of the command is read after this lock is held. */
async function lockFabric(tx: Tx, { app, creates }: Command): Promise<LockedFabric> {
  const wanted = creates?.fabric ?? "";
  // Scalar subqueries, not joins: each is one index look-up, however many fabrics there are.
  const { rows } = await sql<LockedFabric>`
    SELECT fabric.fabric_id, fabric.org, fabric.name, fabric.environments, fabric.desired_generation,
           agent.state, agent.replica
    FROM fabric LEFT JOIN agent ON agent.agent_id = fabric.agent_id
    WHERE fabric.deleted_at IS NULL AND fabric.fabric_id = COALESCE(
      (SELECT app.fabric_id FROM app
        WHERE app.org = ${app.org} AND app.environment = ${app.environment} AND app.name = ${app.name}
          AND app.deleted_at IS NULL),
      (SELECT named.fabric_id FROM fabric AS named
        WHERE named.org = ${app.org} AND named.deleted_at IS NULL
          AND ${isUuid(wanted) ? sql`named.fabric_id = ${wanted}` : sql`named.name = ${wanted}`})
    )
    FOR NO KEY UPDATE OF fabric
  `.execute(tx);
  const [fabric] = rows;
  if (fabric) {
    if (wanted !== "" && wanted !== fabric.name && wanted !== fabric.fabric_id) throw appOnOtherFabric(fabric.name);
    return fabric;
  }
  if (wanted !== "") throw fabricNotFound(wanted);
  throw appNotFound(app);
}

async function readScene(
  tx: Tx,
  { app, creates }: Command,
  fabric: LockedFabric,
): Promise<{ readonly current: AppRecord | undefined; readonly appCount: number }> {
  const row = await tx
    .selectFrom("app")
    .selectAll()
    .where("org", "=", app.org)
    .where("environment", "=", app.environment)
    .where("name", "=", app.name)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  // Between the unlocked look and the lock the app may have been deleted, or deployed to another fabric.
  if (row && row.fabric_id !== fabric.fabric_id) throw appOnOtherFabric("another one");
  if (row) return { current: appFromRow(row), appCount: 0 };
  if (!creates) throw appNotFound(app);
  const { count } = await tx
    .selectFrom("app")
    .select((eb) => eb.fn.countAll<string>().as("count"))
    .where("fabric_id", "=", fabric.fabric_id)
    .where("deleted_at", "is", null)
    .executeTakeFirstOrThrow();
  return { current: undefined, appCount: Number(count) };
}

/** App, revision and generation in one statement; answers with the fabric's new generation. */
async function write(
  tx: Tx,
  change: Extract<Change, { readonly outcome: "changed" }>,
  current: AppRecord | undefined,
  facts: CommandFacts,
): Promise<bigint> {
  const { app, revision } = change;
  const row = appToRow(app);
  const { app_id: _, created_at: __, ...columns } = row;
  const generationRow = await tx
    .with("written", (db) =>
      current
        ? db
            .updateTable("app")
            .set(columns)
            .where("app_id", "=", row.app_id)
            .where("generation", "=", String(current.spec.generation))
            .where("deleted_at", "is", null)
            .returning("app_id")
        : db.insertInto("app").values(row).returning("app_id"),
    )
    .with("revised", (db) =>
      revision
        ? db.insertInto("revision").values(revisionToRow(app.spec.appId, revision)).returning("app_id")
        : db
            .selectFrom("app")
            .select("app_id")
            .where(sql<boolean>`false`),
    )
    .with("forgotten", (db) =>
      db
        .deleteFrom("revision")
        .where("app_id", "=", row.app_id)
        .where("revision", "<=", String(app.spec.revision - BigInt(limits.revisionsPerApp)))
        .returning("app_id"),
    )
    .updateTable("fabric")
    .set({ desired_generation: sql`desired_generation + 1`, generation_at: facts.now })
    .where("fabric_id", "=", app.fabricId)
    .where((eb) => eb.exists(eb.selectFrom("written").select("app_id")))
    .returning("desired_generation")
    .executeTakeFirst();
  if (generationRow) return BigInt(generationRow.desired_generation);
  throw new DrawbridgeError({
    kind: "aborted",
    code: "STORE_CONFLICT",
    message: "the app was changed at the same moment; try again",
  });
}

async function viewOf(tx: Tx, app: AppRecord, fabric: LockedFabric): Promise<AppView> {
  const status = await tx.selectFrom("app_status").selectAll().where("app_id", "=", app.spec.appId).executeTakeFirst();
  return {
    app,
    fabricName: fabric.name,
    status: status && statusFromRow(status),
    isStatusCurrent: isStatusCurrent({ state: fabricState(fabric.state), tunnelReplica: fabric.replica ?? "" }),
  };
}

function isViolationOf(error: unknown, constraint: string): boolean {
  return isDrawbridgeError(error, "STORE_UNIQUE_VIOLATION") && error.details["constraint"] === constraint;
}

function translated(error: unknown): unknown {
  if (isViolationOf(error, "app_live_public_port")) {
    return new DrawbridgeError({
      kind: "already_exists",
      code: "PUBLIC_PORT_TAKEN",
      message: "another app of the fabric has this public port; choose another, or 0 for any",
      cause: error,
    });
  }
  if (isViolationOf(error, "app_live_name")) return appOnOtherFabric("another one", error);
  return error;
}

function appOnOtherFabric(fabric: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "APP_ON_OTHER_FABRIC",
    message: `the app runs on the fabric "${fabric}"; delete it there before it is deployed elsewhere`,
    cause,
  });
}
