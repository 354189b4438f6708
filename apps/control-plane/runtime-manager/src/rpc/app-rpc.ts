import { createHash } from "node:crypto";
import { DesiredState } from "@drawbridge/contracts/runtime/v1/app";
import {
  AppServiceService,
  DeleteAppRequest,
  DeleteAppResponse,
  DeployAppRequest,
  DeployAppResponse,
  RestartAppRequest,
  RestartAppResponse,
  RollbackAppRequest,
  RollbackAppResponse,
  ScaleAppRequest,
  ScaleAppResponse,
  SetDesiredStateRequest,
  SetDesiredStateResponse,
  type AppName,
} from "@drawbridge/contracts/runtime/v1/app_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import {
  defineGrpcService,
  type CallContext,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import { currentTraceparent } from "@drawbridge/telemetry";
import type { AppAddress } from "../domain/app.ts";
import type { AppView } from "../domain/app-view.ts";
import { appId, type FabricId } from "../domain/ids.ts";
import { assertRequestId, assertShortText } from "../domain/limits.ts";
import { assertName } from "../domain/names.ts";
import {
  planDelete,
  planDeploy,
  planDesiredState,
  planFirstDeploy,
  planRestart,
  planRollback,
  planScale,
  type CommandFacts,
} from "../domain/plan-change.ts";
import { rollbackTarget } from "../domain/rollback-target.ts";
import type { AppRepository } from "../store/apps.ts";
import type { Command, CommandResult, CommandScene } from "../store/commands.ts";
import { appToProto, revisionToProto } from "./app-to-proto.ts";
import { deployInputFromProto } from "./deploy-from-proto.ts";
import type { StreamLogsHandler } from "./stream-logs.ts";

export interface AppRpcDeps {
  readonly apps: AppRepository;
  readonly commands: { run(command: Command): Promise<CommandResult> };
  /** Hint to whoever holds the fabric's tunnel, after the commit. */
  readonly onDesiredChanged: (fabricId: FabricId, generation: bigint) => void;
  readonly streamLogs: StreamLogsHandler;
  readonly clock: Clock;
  readonly ids: IdSource;
}

const managementApi = [{ service: "management-api" }] as const;

/** How a message is read, to be compared, and answered, to be repeated. */
interface Codec<Request, Response> {
  readonly request: { encode(message: Request): { finish(): Uint8Array } };
  readonly response: { encode(message: Response): { finish(): Uint8Array }; decode(bytes: Uint8Array): Response };
}

interface Write {
  readonly requestId: string;
  readonly app?: AppName | undefined;
  readonly requestedBy: string;
}

export function createAppRpc(deps: AppRpcDeps): GrpcServiceDefinition {
  const { apps, commands, clock, ids } = deps;

  /** Run a command and answer with the bytes that it left, so that a repeated request reads the same. */
  async function change<Request extends Write, Response>(
    method: string,
    request: Request,
    codec: Codec<Request, Response>,
    command: Pick<Command, "creates"> & {
      readonly plan: (scene: CommandScene, facts: CommandFacts) => ReturnType<Command["plan"]>;
      readonly answer: (view: AppView, isChanged: boolean) => Response;
    },
  ): Promise<Response> {
    const facts: CommandFacts = {
      requestId: assertRequestId(request.requestId),
      requestedBy: assertShortText(request.requestedBy, "requested_by"),
      traceparent: currentTraceparent(),
      now: clock.now(),
    };
    const result = await commands.run({
      method,
      requestSha256: createHash("sha256").update(codec.request.encode(request).finish()).digest(),
      facts,
      app: addressFromProto(request.app),
      creates: command.creates,
      plan: (scene) => command.plan(scene, facts),
      encode: (view, outcome) => codec.response.encode(command.answer(view, outcome === "changed")).finish(),
    });
    if (result.outcome === "changed") deps.onDesiredChanged(result.fabricId, result.generation);
    return codec.response.decode(result.response);
  }

  return defineGrpcService(AppServiceService, {
    allow: {
      deployApp: managementApi,
      getApp: managementApi,
      listApps: managementApi,
      setDesiredState: managementApi,
      restartApp: managementApi,
      scaleApp: managementApi,
      rollbackApp: managementApi,
      deleteApp: managementApi,
      listRevisions: managementApi,
      streamLogs: managementApi,
    },
    handlers: {
      deployApp: (request) => {
        const input = deployInputFromProto(request);
        const app = addressFromProto(request.app);
        return change(
          "DeployApp",
          request,
          { request: DeployAppRequest, response: DeployAppResponse },
          {
            creates: { fabric: request.fabric },
            plan: async ({ current, fabric }, facts) =>
              current
                ? planDeploy(current, fabric, input, facts)
                : planFirstDeploy({ ...app, appId: appId(ids.next()) }, fabric, input, facts),
            answer: (view, changed) => ({ app: appToProto(view), changed }),
          },
        );
      },
      setDesiredState: (request) => {
        const desiredState = desiredStateFromProto(request.desiredState);
        return change(
          "SetDesiredState",
          request,
          { request: SetDesiredStateRequest, response: SetDesiredStateResponse },
          {
            creates: undefined,
            plan: async (scene, facts) => planDesiredState(existing(scene), desiredState, facts),
            answer: (view) => ({ app: appToProto(view) }),
          },
        );
      },
      restartApp: (request) =>
        change(
          "RestartApp",
          request,
          { request: RestartAppRequest, response: RestartAppResponse },
          {
            creates: undefined,
            plan: async (scene, facts) => planRestart(existing(scene), facts),
            answer: (view) => ({ app: appToProto(view) }),
          },
        ),
      scaleApp: (request) =>
        change(
          "ScaleApp",
          request,
          { request: ScaleAppRequest, response: ScaleAppResponse },
          {
            creates: undefined,
            plan: async (scene, facts) => planScale(existing(scene), request.replicas, facts),
            answer: (view) => ({ app: appToProto(view) }),
          },
        ),
      rollbackApp: (request) =>
        change(
          "RollbackApp",
          request,
          { request: RollbackAppRequest, response: RollbackAppResponse },
          {
            creates: undefined,
            plan: async (scene, facts) => {
              const current = existing(scene);
              const target = request.toRevision || rollbackTarget(current, await scene.earlierRevisions());
              return planRollback(current, await scene.revision(target), facts);
            },
            answer: (view) => ({ app: appToProto(view) }),
          },
        ),
      deleteApp: (request) =>
        change(
          "DeleteApp",
          request,
          { request: DeleteAppRequest, response: DeleteAppResponse },
          {
            creates: undefined,
            plan: async (scene, facts) => planDelete(existing(scene), facts),
            answer: (view) => ({ app: appToProto(view) }),
          },
        ),
      getApp: async ({ app }) => ({ app: appToProto(await apps.get(addressFromProto(app))) }),
      listApps: async ({ org, environments, fabric, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [environment, name, id] = readPageToken(pageToken, 3) ?? [];
        const after = environment === undefined ? undefined : { environment, name: name ?? "", appId: id ?? "" };
        const page = await apps.list({ org, environments, fabric, after, limit: limit + 1 });
        const last = page.length > limit ? page[limit - 1]?.app.spec : undefined;
        return {
          apps: page.slice(0, limit).map((view) => appToProto(view)),
          nextPageToken: last ? writePageToken([last.environment, last.name, last.appId]) : "",
        };
      },
      listRevisions: async ({ app, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 20);
        const [before] = readPageToken(pageToken, 1) ?? [];
        const page = await apps.revisions(addressFromProto(app), {
          before: before === undefined ? undefined : BigInt(/^\d{1,18}$/.test(before) ? before : 0),
          limit: limit + 1,
        });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          revisions: page.slice(0, limit).map((view) => revisionToProto(view)),
          nextPageToken: last ? writePageToken([String(last.revision.revision)]) : "",
        };
      },
      streamLogs: (call, context: CallContext) => deps.streamLogs(call, context),
    },
  });
}

/** @throws DrawbridgeError `APP_NAME_INVALID` | `ENVIRONMENT_NAME_INVALID` | `ORG_NAME_INVALID` (invalid_argument) */
export function addressFromProto(app: AppName | undefined): AppAddress {
  const { org = "", environment = "", name = "" } = app ?? {};
  assertName(org, "ORG_NAME_INVALID");
  assertName(environment, "ENVIRONMENT_NAME_INVALID");
  assertName(name, "APP_NAME_INVALID");
  return { org, environment, name };
}

/** The command runner refuses commands that create nothing when there is no app. */
function existing({ current }: CommandScene) {
  if (current) return current;
  throw new DrawbridgeError({ kind: "not_found", code: "APP_NOT_FOUND", message: "there is no such app" });
}

function desiredStateFromProto(state: DesiredState): "running" | "stopped" {
  if (state === DesiredState.DESIRED_STATE_RUNNING) return "running";
  if (state === DesiredState.DESIRED_STATE_STOPPED) return "stopped";
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "DESIRED_STATE_INVALID",
    message: "desired_state must be running or stopped",
  });
}
