import type { ConfigurationServiceService } from "@drawbridge/contracts/apis/v1/configuration_service";
import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import type { RouteServiceService } from "@drawbridge/contracts/apis/v1/route_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcClient } from "@drawbridge/rpc";
import type { FabricId } from "../domain/ids.ts";

/** Names what a fabric's gateways should enforce. */
export interface ApiConfigurationMark {
  readonly revision: bigint;
  /** "sha256:<hex>" of the root. */
  readonly digest: string;
}

export interface ApiConfigurationRoot {
  readonly mark: ApiConfigurationMark;
  /** undefined: the asker has it. */
  readonly rootJws: string | undefined;
}

/** What gateways of a fabric should enforce. Its owner is api-manager; nothing of it is kept here but marks. */
export interface ApiManager {
  /**
   * The signed root; undefined while none was published for the fabric.
   * @throws DrawbridgeError `API_CONFIGURATION_NOT_READY` (unavailable)
   */
  root(fabricId: FabricId, haveDigest: string): Promise<ApiConfigurationRoot | undefined>;
  /** @throws DrawbridgeError `API_CONFIGURATION_NOT_READY` (unavailable) | `API_OBJECT_UNKNOWN` (not_found) */
  objects(fabricId: FabricId, digests: readonly Buffer[]): Promise<readonly Buffer[]>;
  /**
   * Routes that the fabric's gateways observed.
   * @throws DrawbridgeError `API_CONFIGURATION_NOT_READY` (unavailable) | `ROUTES_INVALID` (invalid_argument)
   */
  reportRoutes(fabricId: FabricId, apis: readonly ApiRoutes[]): Promise<void>;
}

type Calls = Pick<GrpcClient<typeof ConfigurationServiceService>["call"], "getRoot" | "getObjects"> &
  Pick<GrpcClient<typeof RouteServiceService>["call"], "reportRoutes">;

/** No second try here: who asks comes again by himself, and "never published" is an answer. */
const patience = { timeoutMs: 5_000 } as const;

/** @param calls undefined: there is no api-manager, so nothing was ever published */
export function createApiManager(calls: Calls | undefined): ApiManager {
  return {
    root: async (fabricId, haveDigest) => {
      if (!calls) return undefined;
      try {
        const answer = await calls.getRoot({ fabricId, haveDigest }, patience);
        const digest = answer.notModified ? haveDigest : answer.digest;
        const mark = { revision: answer.revision, digest };
        return { mark, rootJws: answer.notModified ? undefined : answer.rootJws };
      } catch (error) {
        if (isDrawbridgeError(error, "API_CONFIGURATION_NOT_READY")) return undefined;
        throw notReady(error);
      }
    },
    objects: async (fabricId, digests) => {
      if (!calls) throw notReady(undefined);
      try {
        return (await calls.getObjects({ fabricId, digests: [...digests] }, patience)).objects;
      } catch (error) {
        throw isDrawbridgeError(error, "API_OBJECT_UNKNOWN") ? error : notReady(error);
      }
    },
    reportRoutes: async (fabricId, apis) => {
      if (!calls) throw notReady(undefined);
      try {
        await calls.reportRoutes({ fabricId, apis: [...apis] }, patience);
      } catch (error) {
        throw isDrawbridgeError(error, "ROUTES_INVALID") ? error : notReady(error);
      }
    },
  };
}

export function notReady(cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "API_CONFIGURATION_NOT_READY",
    message: "what the fabric's gateways should enforce was never published or cannot be read now; try again",
    retryAfterMs: 2_000,
    cause,
  });
}
