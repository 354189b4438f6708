import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { ApiManager } from "../clients/api-manager.ts";
import type { FabricId } from "../domain/ids.ts";

/** Routes that gateways of a fabric observed, on their way to api-manager, which decides what of them is kept. */
export interface PassRoutes {
  /**
   * @throws DrawbridgeError `ROUTES_INVALID` (invalid_argument) | `ROUTES_BUSY` (resource_exhausted) |
   * `API_CONFIGURATION_NOT_READY` (unavailable)
   */
  pass(fabricId: FabricId, apis: readonly ApiRoutes[]): Promise<void>;
}

const apisAtOnce = 100;
const routesPerApi = 200;
/** A gateway has a report every two seconds at most, and hardly ever one. */
const reportsPerMinute = 120;
const minuteMs = 60_000;

export function createPassRoutes(options: {
  readonly apiManager: Pick<ApiManager, "reportRoutes">;
  readonly clock: Pick<Clock, "monotonicMs">;
}): PassRoutes {
  const { apiManager, clock } = options;
  let minuteBeganMs = clock.monotonicMs();
  let counts = new Map<FabricId, number>();

  function assertMay(fabricId: FabricId): void {
    const nowMs = clock.monotonicMs();
    if (nowMs - minuteBeganMs >= minuteMs) {
      minuteBeganMs = nowMs;
      counts = new Map();
    }
    const count = counts.get(fabricId) ?? 0;
    if (count >= reportsPerMinute) throw busy();
    counts.set(fabricId, count + 1);
  }

  return {
    pass: async (fabricId, apis) => {
      assertMay(fabricId);
      if (apis.length === 0 || apis.length > apisAtOnce || apis.some(({ routes }) => routes.length > routesPerApi)) {
        throw invalid();
      }
      await apiManager.reportRoutes(fabricId, apis);
    },
  };
}

function invalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ROUTES_INVALID",
    message: `report routes of 1 to ${apisAtOnce} APIs, at most ${routesPerApi} of each`,
  });
}

function busy(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "ROUTES_BUSY",
    message: `the fabric has reported routes ${reportsPerMinute} times within a minute`,
    retryAfterMs: minuteMs,
  });
}
