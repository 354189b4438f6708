import { isDrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { fullJitterDelayMs, type Random } from "@drawbridge/lifecycle";

/** What to do with an event whose handler threw. */
export type Verdict =
  | { readonly verdict: "again"; readonly delayMs: number }
  /** To the dead letters: it would fail for ever, or has failed too often. */
  | { readonly verdict: "dead"; readonly reason: string };

/** How often an event is delivered whose failure may be its own fault. */
export const maxDeliveries = 10;

/** "again": something around the event failed, for as long as it takes. "dead": the event itself. Others: some attempts. */
const policyOfKind: Readonly<Record<ErrorKind, "again" | "attempts" | "dead">> = {
  unavailable: "again",
  deadline_exceeded: "again",
  resource_exhausted: "again",
  aborted: "again",
  cancelled: "again",
  invalid_argument: "dead",
  data_loss: "dead",
  out_of_range: "dead",
  unimplemented: "dead",
  internal: "attempts",
  not_found: "attempts",
  already_exists: "attempts",
  permission_denied: "attempts",
  unauthenticated: "attempts",
  failed_precondition: "attempts",
};

/** `deliveries` counts from 1. Delays grow from about 0.5 s to a minute, with jitter. */
export function judgeFailure(error: unknown, deliveries: number, random: Random): Verdict {
  const kind = isDrawbridgeError(error) ? error.kind : "internal";
  const code = isDrawbridgeError(error) ? error.code : "INTERNAL";
  const policy = policyOfKind[kind];
  if (policy === "dead" || (policy === "attempts" && deliveries >= maxDeliveries)) {
    return { verdict: "dead", reason: code };
  }
  const baseMs = 500;
  const delayMs = fullJitterDelayMs({ attempt: deliveries, baseMs, capMs: 60_000, floorMs: baseMs / 2, random });
  const askedMs = isDrawbridgeError(error) ? (error.retryAfterMs ?? 0) : 0;
  return { verdict: "again", delayMs: Math.round(Math.max(delayMs, askedMs)) };
}
