import { DrawbridgeError } from "@drawbridge/errors";

export interface MetricsAdmissionLimits {
  /** Data points that a fabric may send per second, in the long run. */
  readonly pointsPerSecond: number;
  readonly requestsPerFabric: number;
  /** Of all fabrics, as told before they are read. */
  readonly bytesInFlight: number;
}

export interface MetricsAdmission {
  /**
   * Let a request in before its body is read; call what it answers when the request is over.
   * @throws DrawbridgeError `METRICS_RATE_EXCEEDED` (resource_exhausted) | `METRICS_OVERLOADED` (unavailable), to be tried again
   */
  enter(request: { readonly fabricId: string; readonly bytes: number }): () => void;
  /** What a fabric has sent, once that is known. */
  spend(fabricId: string, points: number): void;
}

/** A fabric may send what it has not sent before at once: after an outage its queue comes in gulps. */
const burstSeconds = 60;
const retryAfterMs = 2_000;

interface Account {
  points: number;
  atMs: number;
  inFlight: number;
}

/** One fabric that floods is refused at the price of its headers, and takes nothing from the others. */
export function createMetricsAdmission(
  limits: MetricsAdmissionLimits,
  deps: { readonly monotonicMs: () => number },
): MetricsAdmission {
  const accounts = new Map<string, Account>();
  const mostPoints = limits.pointsPerSecond * burstSeconds;
  let bytesInFlight = 0;

  function accountOf(fabricId: string): Account {
    const nowMs = deps.monotonicMs();
    const account = accounts.get(fabricId) ?? { points: mostPoints, atMs: nowMs, inFlight: 0 };
    account.points = Math.min(mostPoints, account.points + ((nowMs - account.atMs) / 1_000) * limits.pointsPerSecond);
    account.atMs = nowMs;
    accounts.set(fabricId, account);
    return account;
  }

  return {
    enter: ({ fabricId, bytes }) => {
      const account = accountOf(fabricId);
      if (account.points <= 0) {
        throw tooFast(1_000 + (-account.points / limits.pointsPerSecond) * 1_000, "more data points than it may");
      }
      if (account.inFlight >= limits.requestsPerFabric)
        throw tooFast(retryAfterMs, "more requests at a time than it may");
      if (bytesInFlight + bytes > limits.bytesInFlight) throw overloaded();
      account.inFlight += 1;
      bytesInFlight += bytes;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        account.inFlight -= 1;
        bytesInFlight -= bytes;
      };
    },
    spend: (fabricId, points) => {
      accountOf(fabricId).points -= points;
    },
  };
}

function tooFast(retryMs: number, what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "METRICS_RATE_EXCEEDED",
    message: `this fabric sends ${what}; keep the metrics and send them later`,
    retryAfterMs: Math.ceil(retryMs),
  });
}

function overloaded(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "METRICS_OVERLOADED",
    message: "too many metrics are on their way in; keep them and send them again",
    retryAfterMs,
  });
}
