import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import { recoveryCauseOf } from "../identity/recovery-cause.ts";
import type { Recovery } from "../identity/recovery-port.ts";
import { asDrawbridgeError } from "./tunnel-errors.ts";
import type { HealOutcome, TunnelClientOptions } from "./tunnel-client.ts";

/** Where there is no way to recover, what the control plane said first is what people need to know. */
const saysNoMore: ReadonlySet<string> = new Set([
  "RECOVERY_NO_ENDPOINT",
  "RECOVERY_KEY_MISSING",
  "RECOVERY_NOT_NEEDED",
]);

/** An operator may allow a revoked agent back at any time: it asks so often, and hears of it within ten minutes. */
const revokedAgainMs = 480_000;

/**
 * What is done about an attempt that failed: the other one of two certificates is tried, or the identity is recovered. A recovery
 * replaces nothing before it has worked.
 */
export function createHealer(options: {
  readonly recovery: Recovery | undefined;
  /** With which certificate the attempt was made. */
  readonly lastChoice: () => "current" | "candidate";
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly alerts: Pick<AlertBoard, "raise">;
  /** Files were replaced: read them again. */
  readonly reload: () => Promise<void>;
  readonly logger: Logger;
}): TunnelClientOptions["heal"] {
  const { recovery, alerts, logger } = options;
  const tell = (error: DrawbridgeError): void => {
    if (error.code === "AGENT_LOCKED") alerts.raise("AgentLocked", error.message);
  };

  let askedWhileRevokedMs = -Infinity;

  return async (error, failures, signal): Promise<HealOutcome> => {
    // With a renewed certificate at hand the two take turns, the renewed one first: only when neither works it is serious.
    if (options.lastChoice() === "candidate") return { outcome: "retry" };
    tell(error);
    const cause = recoveryCauseOf(error, failures);
    if (cause === undefined || recovery === undefined) return { outcome: "nothing to do" };
    if (cause === "revoked") {
      const nowMs = options.clock.monotonicMs();
      if (nowMs - askedWhileRevokedMs < revokedAgainMs) return { outcome: "nothing to do" };
      askedWhileRevokedMs = nowMs;
    }
    logger.warn({ err: error, cause }, "the certificate is not accepted any more: recovering with the recovery key");
    try {
      await recovery.recover(cause, signal);
      await options.reload();
      logger.info({ cause }, "identity recovered");
      return { outcome: "healed" };
    } catch (thrown) {
      if (signal.aborted) return { outcome: "nothing to do" };
      const refusal = asDrawbridgeError(thrown);
      logger.warn({ err: thrown, cause }, "not recovered");
      if (saysNoMore.has(refusal.code)) return { outcome: "nothing to do" };
      tell(refusal);
      return { outcome: "failed", error: refusal.kind === "unavailable" ? withReason(refusal, error) : refusal };
    }
  };
}

/** Why the tunnel does not open is what people can do something about (a wrong clock, say); that recovery is away passes. */
function withReason(unavailable: DrawbridgeError, reason: DrawbridgeError): DrawbridgeError {
  const { kind, code, details, retryAfterMs } = unavailable;
  return new DrawbridgeError({
    kind,
    code,
    message: `${reason.message}; ${unavailable.message}`,
    details,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: unavailable,
  });
}
