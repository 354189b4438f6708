import { isDrawbridgeError } from "@drawbridge/errors";

/**
 * The epoch that the control plane has seen from this agent, where it refused a lower one: an agent whose state is older
 * than its last connection goes on above it. Undefined for every other error.
 */
export function highestEpochIn(error: unknown): number | undefined {
  if (!isDrawbridgeError(error, "EPOCH_SUPERSEDED")) return undefined;
  const epoch = Number(error.details["epoch"]);
  return Number.isSafeInteger(epoch) && epoch >= 0 ? epoch : undefined;
}
