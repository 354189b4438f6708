import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { required } from "./adapters/values.ts";
import { partTimeoutMs } from "./part.ts";
import type { RouteServices } from "./services.ts";

/** What is known of the fabrics that certificates belong to. */
export type KnownFabrics = (fabricId: string) => Fabric | "deleted" | undefined;

const atOnce = 16;

/**
 * Find fabrics by id. If runtime-manager is away they stay unknown, with the error that it answered; a fabric that it has not
 * was deleted.
 */
export async function findFabrics(
  { fabrics, org }: Pick<RouteServices, "fabrics" | "org">,
  fabricIds: Iterable<string>,
  signal: AbortSignal,
): Promise<{ readonly find: KnownFabrics; readonly failure: unknown }> {
  const wanted = [...new Set(fabricIds)].filter((id) => id !== "");
  const known = new Map<string, Fabric | "deleted">();
  let failure: unknown;
  async function work(): Promise<void> {
    for (let id = wanted.pop(); id !== undefined && failure === undefined; id = wanted.pop()) {
      try {
        const options = { signal, timeoutMs: partTimeoutMs, idempotent: true };
        known.set(id, required("fabric", (await fabrics.getFabric({ org, fabric: id }, options)).fabric));
      } catch (error) {
        signal.throwIfAborted();
        if (isDrawbridgeError(error, "FABRIC_NOT_FOUND")) known.set(id, "deleted");
        else failure = error;
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work));
  return { find: (id) => known.get(id), failure };
}
