import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";

export interface IntakeLimitOptions {
  /** Of one fabric in the long run, unpacked. */
  readonly bytesPerSecond: number;
  /** Of one fabric at the same time. */
  readonly requests: number;
  /** Of all at the same time; one fabric has a quarter, or a single body that is larger. */
  readonly bytesInFlight: number;
}

/** A request that was let in. */
export interface Place {
  /** Its body, unpacked, is so large. */
  charge(bytes: number): void;
  leave(): void;
}

/** Decides before a body is read whether it may come, so that one fabric's flood costs the others nothing. */
export interface IntakeLimits {
  /**
   * @param bytes what is set aside for the body
   * @throws DrawbridgeError `ANALYTICS_RATE_EXCEEDED` (resource_exhausted): this fabric; `ANALYTICS_OVERLOADED` (unavailable): all
   */
  enter(fabricId: string, bytes: number): Place;
}

interface Account {
  /** What may come at once; below zero after a body that was larger than there was left. */
  level: number;
  updatedMs: number;
  requests: number;
  bytes: number;
}

/** What a fabric has saved up: so many seconds of its rate. */
const burstSeconds = 4;
const busyRetryMs = 1_000;
/** Accounts of fabrics that are quiet are thrown away when there are more. */
const keptAccounts = 10_000;

export function createIntakeLimits(
  options: IntakeLimitOptions,
  deps: { readonly clock: Pick<Clock, "monotonicMs">; readonly metrics: Metrics },
): IntakeLimits {
  const { bytesPerSecond, requests, bytesInFlight } = options;
  const burst = burstSeconds * bytesPerSecond;
  const accounts = new Map<string, Account>();
  let inFlight = 0;
  deps.metrics.gauge("in_flight_bytes", { description: "set aside for bodies", unit: "By" }, () => inFlight);

  function accountOf(fabricId: string, nowMs: number): Account {
    const known = accounts.get(fabricId);
    const account = known ?? { level: burst, updatedMs: nowMs, requests: 0, bytes: 0 };
    account.level = Math.min(burst, account.level + ((nowMs - account.updatedMs) / 1_000) * bytesPerSecond);
    account.updatedMs = nowMs;
    if (known === undefined) {
      if (accounts.size >= keptAccounts) forgetQuiet(nowMs);
      accounts.set(fabricId, account);
    }
    return account;
  }

  /** A quiet account has filled up again: a new one is the same. */
  function forgetQuiet(nowMs: number): void {
    for (const [fabricId, account] of accounts) {
      if (account.requests === 0 && nowMs - account.updatedMs > burstSeconds * 1_000 * 2) accounts.delete(fabricId);
    }
  }

  return {
    enter: (fabricId, bytes) => {
      const account = accountOf(fabricId, deps.clock.monotonicMs());
      if (account.level <= 0) throw rateExceeded(Math.ceil((-account.level / bytesPerSecond) * 1_000) + busyRetryMs);
      const isOverShare = account.requests > 0 && account.bytes + bytes > bytesInFlight / 4;
      if (account.requests >= requests || isOverShare) throw rateExceeded(busyRetryMs);
      if (inFlight + bytes > bytesInFlight) throw overloaded();
      account.requests += 1;
      account.bytes += bytes;
      inFlight += bytes;
      return {
        charge: (size) => {
          account.level -= size;
        },
        leave: () => {
          account.requests -= 1;
          account.bytes -= bytes;
          inFlight -= bytes;
        },
      };
    },
  };
}

function rateExceeded(retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "ANALYTICS_RATE_EXCEEDED",
    message: "this fabric sends more than it may; wait, then send it again",
    retryAfterMs,
  });
}

function overloaded(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ANALYTICS_OVERLOADED",
    message: "too much comes in at the moment; wait, then send it again",
    retryAfterMs: busyRetryMs,
  });
}
