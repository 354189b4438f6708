import type {
  GetApiConfigurationResponse,
  GetApiObjectsResponse,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { notReady, type ApiManager } from "../clients/api-manager.ts";
import type { FabricId } from "../domain/ids.ts";

/** What an agent may fetch for the gateways of its own fabric. */
export interface ServeConfiguration {
  /** @throws DrawbridgeError `API_CONFIGURATION_NOT_READY` (unavailable) */
  root(fabricId: FabricId, haveDigest: string): Promise<GetApiConfigurationResponse>;
  /**
   * @throws DrawbridgeError `API_OBJECTS_INVALID` (invalid_argument) | `API_OBJECTS_BUSY` (resource_exhausted) |
   * `API_OBJECT_UNKNOWN` (not_found) | `API_CONFIGURATION_NOT_READY` (unavailable)
   */
  objects(fabricId: FabricId, digests: readonly Buffer[]): Promise<GetApiObjectsResponse>;
}

const digestBytes = 32;
const digestsAtOnce = 256;
/** An answer is up to 4 MiB: one fabric takes no more of this process than so many. */
const callsPerFabric = 4;

export function createServeConfiguration(apiManager: ApiManager): ServeConfiguration {
  const underWay = new Map<FabricId, number>();

  async function counted<T>(fabricId: FabricId, work: () => Promise<T>): Promise<T> {
    const count = underWay.get(fabricId) ?? 0;
    if (count >= callsPerFabric) throw busy();
    underWay.set(fabricId, count + 1);
    try {
      return await work();
    } finally {
      const left = (underWay.get(fabricId) ?? 1) - 1;
      if (left === 0) underWay.delete(fabricId);
      else underWay.set(fabricId, left);
    }
  }

  return {
    root: (fabricId, haveDigest) =>
      counted(fabricId, async () => {
        const root = await apiManager.root(fabricId, haveDigest);
        if (!root) throw notReady(undefined);
        const { mark, rootJws } = root;
        return { notModified: rootJws === undefined, mark: { ...mark }, rootJws: rootJws ?? "" };
      }),
    objects: async (fabricId, digests) => {
      const isValid = digests.length > 0 && digests.length <= digestsAtOnce;
      if (!isValid || digests.some(({ length }) => length !== digestBytes)) throw invalid();
      return counted(fabricId, async () => ({ objects: [...(await apiManager.objects(fabricId, digests))] }));
    },
  };
}

function invalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "API_OBJECTS_INVALID",
    message: `ask for 1 to ${digestsAtOnce} objects by digests of ${digestBytes} bytes`,
  });
}

function busy(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "API_OBJECTS_BUSY",
    message: `the fabric has ${callsPerFabric} requests for its configuration under way already`,
    retryAfterMs: 500,
  });
}
