import {
  CaptureServiceService,
  CaptureState,
  StartCaptureRequest,
  StartCaptureResponse,
  StopCaptureRequest,
  StopCaptureResponse,
  type CaptureRecord,
} from "@drawbridge/contracts/apis/v1/capture_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { IdSource } from "@drawbridge/lifecycle";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import { assertCapture, captureWarnings } from "../domain/capture.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertApiKey, assertLabel, isUuid } from "../domain/limits.ts";
import { getApi } from "../store/apis.ts";
import {
  type CaptureView,
  captureNotFound,
  getCapture,
  insertCapture,
  listCaptures,
  stopCapture,
} from "../store/captures.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import type { Write } from "./write.ts";

const managementApi = [{ service: "management-api" }] as const;
const states = {
  running: CaptureState.CAPTURE_STATE_RUNNING,
  ended: CaptureState.CAPTURE_STATE_ENDED,
  stopped: CaptureState.CAPTURE_STATE_STOPPED,
} as const satisfies Record<CaptureView["state"], CaptureState>;

/** Captures of exchanges: orders that gateways follow where their fabric's owner allows it (META 4). */
export function createCaptureRpc(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly write: Write;
  readonly ids: IdSource;
}): GrpcServiceDefinition {
  const { store, write, ids } = deps;
  return defineGrpcService(CaptureServiceService, {
    allow: {
      startCapture: managementApi,
      stopCapture: managementApi,
      getCapture: managementApi,
      listCaptures: managementApi,
    },
    handlers: {
      startCapture: (request) =>
        write(request, {
          method: "StartCapture",
          codec: { request: StartCaptureRequest, response: StartCaptureResponse },
          work: async (save) => {
            const key = assertApiKey(request.api);
            const { capture: asked, durationSeconds } = request;
            if (asked === undefined)
              throw fieldError("CAPTURE_INVALID", [{ field: "parts", message: "must be named" }]);
            const order = assertCapture(asked, durationSeconds);
            const api = await getApi(save.tx, save.org, key);
            const captureId = ids.next();
            const expiresAt = new Date(save.now.getTime() + durationSeconds * 1_000);
            const settings = { ...order, captureId, startsAt: save.now, expiresAt };
            await insertCapture(save, { apiId: api.apiId, key, settings, endsAt: expiresAt });
            return {
              capture: viewToProto(await getCapture(save.tx, save.org, captureId)),
              fabricIds: [...new Set(api.apps.map(({ fabricId }) => fabricId))],
              warnings: [...captureWarnings(order, api)],
            };
          },
        }),
      stopCapture: (request) =>
        write(request, {
          method: "StopCapture",
          codec: { request: StopCaptureRequest, response: StopCaptureResponse },
          work: async (save) => {
            const captureId = assertCaptureId(request.captureId);
            await stopCapture(save, await getCapture(save.tx, save.org, captureId));
            return { capture: viewToProto(await getCapture(save.tx, save.org, captureId)) };
          },
        }),
      getCapture: async ({ org, captureId }) => {
        const found = await getCapture(store.db, assertLabel(org, "ORG_NAME_INVALID"), assertCaptureId(captureId));
        return { capture: viewToProto(found) };
      },
      listCaptures: async ({ org, environments, isRunning, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [before] = readPageToken(pageToken, 1) ?? [];
        if (before !== undefined && !isUuid(before)) throw pageTokenInvalid();
        const page = await listCaptures(store.db, { org, environments, isRunning, before, limit: limit + 1 });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          captures: page.slice(0, limit).map(viewToProto),
          nextPageToken: last ? writePageToken([last.captureId]) : "",
        };
      },
    },
  });
}

/** Whatever is no id names no capture. */
function assertCaptureId(captureId: string): string {
  if (isUuid(captureId)) return captureId;
  throw captureNotFound();
}

function viewToProto(view: CaptureView): CaptureRecord {
  const { settings: capture, key: api, apiId, state, startedBy, overAt, stoppedBy } = view;
  return { capture, api, apiId, state: states[state], startedBy, overAt, stoppedBy };
}

function pageTokenInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "PAGE_TOKEN_INVALID",
    message: "page_token is not the next_page_token of an earlier answer",
  });
}
