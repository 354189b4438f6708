import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import { sql, type Insertable, type Kysely, type Selectable, type Transaction } from "kysely";
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
import type { AgentTable, AppStatusTable, AppTable, RequestTable, RuntimeDatabase, StatusJson } from "./schema.ts";
import { statusFromRow } from "./status-row.ts";
import { appNotFound, findRevision } from "./apps.ts";

/** What the planner of a command may look at. */
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

/** A command whose app or request_id was changed by somebody else while it was planned: it is planned again. */
const raced = Symbol("raced");
const attempts = 20;

type AppColumns = Selectable<AppTable>;

/** One row: the fabric, and beside it the live app, its status, and an earlier answer, each all null where there is none. */
type SceneRow = {
  readonly [Column in keyof AppColumns]: AppColumns[Column] | null;
} & {
  readonly home_fabric_id: string;
  readonly fabric_name: string;
  readonly environments: string[];
  readonly state: Selectable<AgentTable>["state"] | null;
  readonly replica: string | null;
  readonly app_count: string;
  readonly observed_generation: string | null;
  readonly phase: Selectable<AppStatusTable>["phase"] | null;
  readonly status: StatusJson | null;
  readonly method: string | null;
  readonly request_sha256: Uint8Array | null;
  readonly response: Uint8Array | null;
};

/**
 * Runs commands that change what apps should be. Invariants:
 * - one transaction per command: app, revision, generation of the fabric, event and remembered answer, or nothing;
 * - nothing is locked while a command is planned; what it writes is conditional on the app still being at the generation
 *   that was read, and a command that lost the race is planned again;
 * - all changes of one fabric stand in line behind its row when they write, so generations have no gaps and no doubles;
 * - a request_id makes one change for ever: of two at once the second meets the primary key of `request`, is rolled
 *   back, and reads the first one's answer.
 */
export function createCommandRunner(store: Store<RuntimeDatabase>): { run(command: Command): Promise<CommandResult> } {
  return {
    run: async (command) => {
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        const result = await runOnce(store, command);
        if (result !== raced) return result;
      }
      throw conflict();
    },
  };
}

async function runOnce(store: Store<RuntimeDatabase>, command: Command): Promise<CommandResult | typeof raced> {
  const row = await readScene(store.db, command);
  if (!row) return answerWithoutFabric(store.db, command);
  const earlier = earlierAnswer(row, command);
  if (earlier) return earlier;
  const current = row.app_id === null ? undefined : appFromRow(row as AppColumns); // null together, with the key
  assertSameFabric(row, current, command);
  const change = await command.plan({
    current,
    fabric: { fabricId: fabricId(row.home_fabric_id), environments: row.environments, appCount: Number(row.app_count) },
    revision: (number) => findRevision(store.db, current, number),
  });
  const response = command.encode(viewOf(change.app, row), change.outcome);
  const answer = answerRow(command, response);
  try {
    if (change.outcome === "unchanged") {
      await store.db.insertInto("request").values(answer).execute();
      return { outcome: "unchanged", response };
    }
    const generation = await store.transaction((tx) => write(tx, { change, current, answer, facts: command.facts }));
    return { outcome: "changed", response, fabricId: change.app.fabricId, generation };
  } catch (error) {
    if (isRace(error)) return raced;
    throw translated(error);
  }
}

/** The fabric of the app, or the one to deploy to, with all that a command looks at: one statement, one moment. */
function readScene(db: Kysely<RuntimeDatabase>, { app, creates, facts }: Command): Promise<SceneRow | undefined> {
  const wanted = creates?.fabric ?? "";
  return db
    .selectFrom("fabric")
    .leftJoin("app", (join) =>
      join
        .onRef("app.fabric_id", "=", "fabric.fabric_id")
        .on("app.org", "=", app.org)
        .on("app.environment", "=", app.environment)
        .on("app.name", "=", app.name)
        .on("app.deleted_at", "is", null),
    )
    .leftJoin("app_status", "app_status.app_id", "app.app_id")
    .leftJoin("agent", "agent.agent_id", "fabric.agent_id")
    .leftJoin("request", (join) => join.on("request.request_id", "=", facts.requestId))
    .selectAll("app")
    .select(["fabric.fabric_id as home_fabric_id", "fabric.name as fabric_name", "fabric.environments"])
    .select(["agent.state", "agent.replica"])
    .select(["app_status.observed_generation", "app_status.phase", "app_status.status"])
    .select(["request.method", "request.request_sha256", "request.response"])
    .select((eb) =>
      eb
        .selectFrom("app as other")
        .select((count) => count.fn.countAll<string>().as("count"))
        .whereRef("other.fabric_id", "=", "fabric.fabric_id")
        .where("other.deleted_at", "is", null)
        .$asScalar()
        .$notNull()
        .as("app_count"),
    )
    .where("fabric.deleted_at", "is", null)
    .where("fabric.fabric_id", "=", homeOf(app, wanted))
    .executeTakeFirst();
}

/** Scalar subqueries, not joins: each is one index look-up, however many fabrics there are. */
function homeOf(app: AppAddress, wanted: string) {
  const named = isUuid(wanted) ? sql`named.fabric_id = ${wanted}` : sql`named.name = ${wanted}`;
  return sql<string>`COALESCE(
    (SELECT live.fabric_id FROM app AS live
      WHERE live.org = ${app.org} AND live.environment = ${app.environment} AND live.name = ${app.name}
        AND live.deleted_at IS NULL),
    (SELECT named.fabric_id FROM fabric AS named
      WHERE named.org = ${app.org} AND named.deleted_at IS NULL AND ${named})
  )`;
}

function earlierAnswer(
  row: Pick<SceneRow, "method" | "request_sha256" | "response">,
  command: Command,
): CommandResult | undefined {
  if (row.method === null || row.request_sha256 === null || row.response === null) return undefined;
  if (row.method === command.method && Buffer.compare(row.request_sha256, command.requestSha256) === 0) {
    return { outcome: "replayed", response: row.response };
  }
  throw new DrawbridgeError({
    kind: "already_exists",
    code: "REQUEST_ID_REUSED",
    message: "this request_id was used for another request; make a new one",
  });
}

/** No app and no fabric: unless the request was answered when there was one. */
async function answerWithoutFabric(db: Kysely<RuntimeDatabase>, command: Command): Promise<CommandResult> {
  const row = await db
    .selectFrom("request")
    .select(["method", "request_sha256", "response"])
    .where("request_id", "=", command.facts.requestId)
    .executeTakeFirst();
  const earlier = row && earlierAnswer(row, command);
  if (earlier) return earlier;
  const wanted = command.creates?.fabric ?? "";
  throw wanted === "" ? appNotFound(command.app) : fabricNotFound(wanted);
}

function assertSameFabric(row: SceneRow, current: AppRecord | undefined, { app, creates }: Command): void {
  if (!current && !creates) throw appNotFound(app);
  const wanted = creates?.fabric ?? "";
  if (wanted !== "" && wanted !== row.fabric_name && wanted !== row.home_fabric_id)
    throw appOnOtherFabric(row.fabric_name);
}

function answerRow({ method, requestSha256, facts }: Command, response: Uint8Array): Insertable<RequestTable> {
  return {
    request_id: facts.requestId,
    method,
    request_sha256: requestSha256,
    response,
    created_at: facts.now,
  };
}

/** App, revision, answer and generation in one statement, and the event; answers with the fabric's new generation. */
async function write(
  tx: Transaction<RuntimeDatabase>,
  written: {
    readonly change: Extract<Change, { readonly outcome: "changed" }>;
    readonly current: AppRecord | undefined;
    readonly answer: Insertable<RequestTable>;
    readonly facts: CommandFacts;
  },
): Promise<bigint> {
  const { change, current, answer, facts } = written;
  const { app, revision } = change;
  const row = appToRow(app);
  const { app_id: _, created_at: __, ...columns } = row;
  const statement = tx
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
    .with("answered", (db) => db.insertInto("request").values(answer).returning("request_id"));
  const withRevision = revision
    ? statement
        .with("revised", (db) =>
          db.insertInto("revision").values(revisionToRow(app.spec.appId, revision)).returning("app_id"),
        )
        .with("forgotten", (db) =>
          db
            .deleteFrom("revision")
            .where("app_id", "=", row.app_id)
            .where("revision", "<=", String(app.spec.revision - BigInt(limits.revisionsPerApp)))
            .returning("app_id"),
        )
    : statement;
  const fabric = await withRevision
    .updateTable("fabric")
    .set({ desired_generation: sql`desired_generation + 1`, generation_at: facts.now })
    .where("fabric_id", "=", app.fabricId)
    .where("deleted_at", "is", null)
    .where((eb) => eb.exists(eb.selectFrom("written").select("app_id")))
    .returning("desired_generation")
    .executeTakeFirst();
  if (!fabric) throw conflict();
  const generation = BigInt(fabric.desired_generation);
  await announceDesired(tx, { app, action: change.action, generation, requestedBy: facts.requestedBy, at: facts.now });
  return generation;
}

function viewOf(app: AppRecord, row: SceneRow): AppView {
  const { observed_generation, phase, status } = row;
  return {
    app,
    fabricName: row.fabric_name,
    status:
      observed_generation === null || phase === null || status === null
        ? undefined
        : statusFromRow({ app_id: app.spec.appId, observed_generation, phase, status }),
    isStatusCurrent: isStatusCurrent({ state: fabricState(row.state), tunnelReplica: row.replica ?? "" }),
  };
}

/** Somebody else used the request_id, made the app, or changed it, after we looked. */
function isRace(error: unknown): boolean {
  return (
    isDrawbridgeError(error, "STORE_CONFLICT") ||
    isViolationOf(error, "request_pkey") ||
    isViolationOf(error, "app_live_name")
  );
}

function conflict(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "aborted",
    code: "STORE_CONFLICT",
    message: "the app was changed at the same moment; try again",
  });
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
  return error;
}

function appOnOtherFabric(fabric: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "APP_ON_OTHER_FABRIC",
    message: `the app runs on the fabric "${fabric}"; delete it there before it is deployed elsewhere`,
  });
}
