import { DrawbridgeError, isDrawbridgeError, toError } from "@drawbridge/errors";
import type { LossCause } from "./reconnect-policy.ts";
import { explainRefusal } from "./refusal.ts";
import type { SessionEnd } from "./tunnel-events.ts";

/** What a failed attempt means for the next one. */
export function lossOf(error: DrawbridgeError): LossCause {
  if (error.code === "AGENT_LOCKED") return { cause: "locked" };
  if (error.code === "BOOT_SUPERSEDED")
    return { cause: "superseded", ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }) };
  if (explainRefusal(error.code) !== undefined) return { cause: "refused" };
  return error.retryAfterMs === undefined ? { cause: "failed" } : { cause: "failed", retryAfterMs: error.retryAfterMs };
}

/** How a session ended, in words. */
export function errorOfEnd(end: SessionEnd): DrawbridgeError {
  switch (end.end) {
    case "broken":
      return end.error;
    case "kicked":
      return end.reason === "EPOCH_SUPERSEDED" ? supersededHere() : kicked(end.reason);
    case "dead":
      return new DrawbridgeError({
        kind: "unavailable",
        code: "TUNNEL_DEAD",
        message: `the control plane said nothing for ${Math.round(end.silentMs / 1_000)} s: the connection was cut`,
      });
    case "left":
      return new DrawbridgeError({ kind: "unavailable", code: "TUNNEL_CLOSED", message: "the tunnel was closed" });
  }
}

/** What an attempt threw, with a refusal in words. */
export function asDrawbridgeError(thrown: unknown): DrawbridgeError {
  if (thrown instanceof DrawbridgeError) {
    const refusal = explainRefusal(thrown.code);
    if (refusal === undefined) return thrown;
    const { kind, code, details, retryAfterMs } = thrown;
    return new DrawbridgeError({
      kind,
      code,
      details,
      message: refusal,
      cause: thrown,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  return new DrawbridgeError({
    kind: "internal",
    code: "TUNNEL_ATTEMPT_FAILED",
    message: "the connection attempt failed for an unexpected reason: see the log",
    cause: toError(thrown),
  });
}

function kicked(reason: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: reason,
    message: explainRefusal(reason) ?? `the control plane ended the session (${reason})`,
  });
}

function supersededHere(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "EPOCH_SUPERSEDED",
    message:
      "another process with this agent's identity has taken the tunnel over: if it is not this agent's successor, a copy of the state folder runs somewhere",
  });
}

/** The session that was to bring something has ended: its successor's Welcome announces again, or has done so. */
export function isSessionOver(error: unknown): boolean {
  return (
    isDrawbridgeError(error, "TUNNEL_SESSION_ENDED") ||
    isDrawbridgeError(error, "CLIENT_STOPPED") ||
    isDrawbridgeError(error, "CALL_CANCELLED")
  );
}
