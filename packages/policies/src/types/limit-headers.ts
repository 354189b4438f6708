import type { Exchange, ResponseHead } from "../pipeline/exchange.ts";

/** How a request stands against the tightest of its limits. */
export interface LimitStanding {
  readonly limit: number;
  readonly remaining: number;
  /** Until the window ends. */
  readonly resetMs: number;
}

/** Flat, for replies and responses. Reset is in milliseconds, as clients of this header family expect. */
export function limitHeaders({ limit, remaining, resetMs }: LimitStanding): string[] {
  return [
    "x-ratelimit-limit",
    String(limit),
    "x-ratelimit-remaining",
    String(remaining),
    "x-ratelimit-reset",
    String(Math.ceil(resetMs)),
  ];
}

/** For Retry-After: whole seconds, at least 1. */
export function retryAfterSeconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1_000)));
}

/** Writes what onRequest left in the exchange at `slot`. */
export function writeStanding(exchange: Exchange, response: ResponseHead, slot: number): void {
  const standing = exchange.state(slot);
  if (standing === undefined) return;
  // Only policies of limits write to their own slot, and only this.
  const headers = limitHeaders(standing as LimitStanding);
  for (let index = 0; index < headers.length; index += 2)
    response.setHeader(headers[index] ?? "", headers[index + 1] ?? "");
}
