import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import type { Insertable, Kysely } from "kysely";
import type { AppAddress, AppRecord, Revision } from "../domain/app.ts";
import type { AppView } from "../domain/app-view.ts";
import { isStatusCurrent } from "../domain/fabric.ts";
import { fabricId, type FabricId } from "../domain/ids.ts";
import type { Change, CommandFacts, FabricForDeploy } from "../domain/plan-change.ts";
import type { EarlierRevision } from "../domain/rollback-target.ts";
import { appNotFound, earlierRevisions, findRevision } from "./apps.ts";
import { createBatcher } from "./batcher.ts";
import { appOfScene, isFabric, readScenes, type Scene } from "./command-scene.ts";
import { conflict, writeChanges, type Written } from "./command-write.ts";
import { fabricNotFound } from "./fabrics.ts";
import { fabricState } from "./fabric-row.ts";
import type { RequestTable, RuntimeDatabase } from "./schema.ts";
import { statusFromRow } from "./status-row.ts";

/** What the planner of a command may look at. */
export interface CommandScene {
  /** undefined when no live app has the name. */
  readonly current: AppRecord | undefined;
  readonly fabric: FabricForDeploy;
  /** @throws DrawbridgeError `REVISION_NOT_FOUND` */
  readonly revision: (number: bigint) => Promise<Revision>;
  /** The ones before the current one, newest first. */
  readonly earlierRevisions: () => Promise<readonly EarlierRevision[]>;
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

/**
 * Runs commands that change what apps should be. Invariants:
 * - a command changes app, revision, generation of the fabric, event and remembered answer in one transaction, or
 *   nothing; commands for different fabrics that arrive together share their transaction, and if it fails each gets one
 *   of its own;
 * - nothing is locked while a command is planned; what it writes is conditional on the app still being at the generation
 *   that was read, and a command that lost the race is planned again;
 * - all changes of one fabric stand in line behind its row when they write, so generations have no gaps and no doubles;
 * - a request_id makes one change for ever: of two at once the second meets the primary key of `request`, is rolled
 *   back, and reads the first one's answer.
 */
export function createCommandRunner(store: Store<RuntimeDatabase>): { run(command: Command): Promise<CommandResult> } {
  const read = createBatcher<Command, Scene>({
    size: 128,
    lanes: 2,
    run: (commands) => readScenes(store.db, commands),
  });
  const write = createBatcher<Written, bigint>({
    size: 64,
    lanes: 2,
    keyOf: ({ change }) => change.app.fabricId,
    run: (batch) => store.transaction((tx) => writeChanges(tx, batch)),
  });

  async function runOnce(command: Command): Promise<CommandResult | typeof raced> {
    const scene = await read(command);
    const earlier = earlierAnswer(scene, command);
    if (earlier) return earlier;
    const { fabric, current } = await sceneOf(store.db, scene, command);
    const change = await command.plan({
      current,
      fabric,
      revision: (number) => findRevision(store.db, current, number),
      earlierRevisions: async () => (current ? earlierRevisions(store.db, current) : []),
    });
    const response = command.encode(viewOf(change.app, scene), change.outcome);
    const answer = answerRow(command, response);
    try {
      if (change.outcome === "unchanged") {
        await store.db.insertInto("request").values(answer).execute();
        return { outcome: "unchanged", response };
      }
      const generation = await write({ change, current, answer, facts: command.facts });
      return { outcome: "changed", response, fabricId: change.app.fabricId, generation };
    } catch (error) {
      if (isRace(error)) return raced;
      throw translated(error);
    }
  }

  return {
    run: async (command) => {
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        const result = await runOnce(command);
        if (result !== raced) return result;
      }
      throw conflict();
    },
  };
}

function earlierAnswer(scene: Scene, command: Command): CommandResult | undefined {
  const { method, request_sha256: sha256, response } = scene;
  if (method === null || sha256 === null || response === null) return undefined;
  if (method === command.method && Buffer.compare(sha256, command.requestSha256) === 0) {
    return { outcome: "replayed", response };
  }
  throw new DrawbridgeError({
    kind: "already_exists",
    code: "REQUEST_ID_REUSED",
    message: "this request_id was used for another request; make a new one",
  });
}

/**
 * What a command works on. Only a deploy to another fabric than the app's asks the database once more: which of the two
 * is wrong decides what the operator is told.
 * @throws DrawbridgeError `APP_NOT_FOUND` | `FABRIC_NOT_FOUND` | `APP_ON_OTHER_FABRIC`
 */
async function sceneOf(
  db: Kysely<RuntimeDatabase>,
  scene: Scene,
  { app, creates }: Command,
): Promise<Pick<CommandScene, "fabric" | "current">> {
  const wanted = creates?.fabric ?? "";
  if (scene.home_fabric_id === null) throw wanted === "" ? appNotFound(app) : fabricNotFound(wanted);
  const current = appOfScene(scene);
  if (!current && !creates) throw appNotFound(app);
  if (wanted !== "" && wanted !== scene.fabric_name && wanted !== scene.home_fabric_id) {
    throw (await isFabric(db, app.org, wanted)) ? appOnOtherFabric(scene.fabric_name ?? "") : fabricNotFound(wanted);
  }
  return {
    current,
    fabric: {
      fabricId: fabricId(scene.home_fabric_id),
      environments: scene.environments ?? [],
      appCount: Number(scene.app_count),
      gatekeeper: { environment: scene.asked_environment_gatekeeper, fabric: scene.home_fabric_gatekeeper },
    },
  };
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

function viewOf(app: AppRecord, scene: Scene): AppView {
  const { observed_generation, phase, status } = scene;
  return {
    app,
    fabricName: scene.fabric_name ?? "",
    status:
      observed_generation === null || phase === null || status === null
        ? undefined
        : statusFromRow({ app_id: app.spec.appId, observed_generation, phase, status }),
    isStatusCurrent: isStatusCurrent({ state: fabricState(scene.state), tunnelReplica: scene.replica ?? "" }),
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
