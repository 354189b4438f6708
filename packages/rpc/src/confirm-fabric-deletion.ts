import {
  FabricExistence,
  type FabricExistenceServiceService,
} from "@drawbridge/contracts/runtime/v1/fabric_existence_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import type { GrpcCalls } from "./grpc-client.ts";

export interface ConfirmFabricDeletionDeps {
  /** Of runtime-manager, which owns fabrics. */
  readonly call: Pick<GrpcCalls<FabricExistenceServiceService>, "checkFabric">;
  readonly logger: Pick<Logger, "warn">;
  readonly metrics: Pick<Metrics, "counter">;
}

/** What an event says: `id` is the event's. */
export interface SaidDeletion {
  readonly id: string;
  readonly fabricId: string;
}

/**
 * Ask the owner, over mTLS, whether a fabric was deleted, before acting on the event that says so: whoever may publish
 * can forge an event. "refuted" is logged and counted as `fabric_deletions_refuted`; the event must have no effect.
 * @throws DrawbridgeError `FABRIC_EXISTENCE_UNKNOWN` (unavailable): no answer, whatever the reason, so that the event
 * is delivered again and not lost
 */
export type ConfirmFabricDeletion = (event: SaidDeletion, signal: AbortSignal) => Promise<"confirmed" | "refuted">;

const timeoutMs = 5_000;
const retryAfterMs = 1_000;

export function createConfirmFabricDeletion(deps: ConfirmFabricDeletionDeps): ConfirmFabricDeletion {
  const refuted = deps.metrics.counter("fabric_deletions_refuted", {
    description: "events of a fabric's deletion that its owner denied: somebody forges events",
  });

  async function ask(fabricId: string, signal: AbortSignal): Promise<FabricExistence> {
    try {
      const { existence } = await deps.call.checkFabric({ fabricId }, { signal, timeoutMs, idempotent: true });
      return existence;
    } catch (cause) {
      signal.throwIfAborted();
      throw unknownExistence(cause);
    }
  }

  return async ({ id, fabricId }, signal) => {
    const existence = await ask(fabricId, signal);
    switch (existence) {
      case FabricExistence.FABRIC_EXISTENCE_DELETED:
        return "confirmed";
      case FabricExistence.FABRIC_EXISTENCE_EXISTS:
      case FabricExistence.FABRIC_EXISTENCE_NEVER_EXISTED:
        refuted.add(1);
        deps.logger.warn(
          { event_id: id, [field.fabricId]: fabricId, existence },
          "security: an event says that a fabric was deleted, its owner says that it was not; nothing is done",
        );
        return "refuted";
      case FabricExistence.FABRIC_EXISTENCE_UNSPECIFIED:
      case FabricExistence.UNRECOGNIZED:
        throw unknownExistence();
    }
  };
}

function unknownExistence(cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "FABRIC_EXISTENCE_UNKNOWN",
    message: "runtime-manager, which owns fabrics, does not say whether this one was deleted",
    retryAfterMs,
    cause,
  });
}
