import type { EntitlementServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcCalls } from "@drawbridge/rpc";
import type { EntitlementQuestion } from "../domain/entitlement.ts";

const timeoutMs = 5_000;
const retryAfterMs = 2_000;

/** Ask runtime-manager, which owns the fact. Rejects with `ENTITLEMENT_UNKNOWN` (unavailable, retry) when it cannot say. */
export function createEntitlementQuestion(call: Pick<GrpcCalls<EntitlementServiceService>, "checkEntitlement">) {
  return async (question: EntitlementQuestion, signal: AbortSignal): Promise<boolean> => {
    try {
      const { entitled } = await call.checkEntitlement(question, { signal, timeoutMs, idempotent: true });
      return entitled;
    } catch (cause) {
      signal.throwIfAborted();
      throw isDrawbridgeError(cause) && !isOutage(cause)
        ? cause
        : new DrawbridgeError({
            kind: "unavailable",
            code: "ENTITLEMENT_UNKNOWN",
            message: "runtime-manager, which knows what is deployed to the fabric, does not answer; try again",
            retryAfterMs,
            cause,
          });
    }
  };
}

function isOutage({ kind }: DrawbridgeError): boolean {
  return kind === "unavailable" || kind === "deadline_exceeded";
}
