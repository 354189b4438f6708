import type { Welcome } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { SessionTerms } from "./tunnel-events.ts";

/** What the server may ask for; outside of it the nearest bound counts, so that no server can make an agent spin or sleep. */
const bounds = {
  heartbeatMs: { least: 100, most: 60_000, standard: 15_000 },
  deadAfterMs: { least: 300, most: 300_000, standard: 45_000 },
  reconnectWindowMs: { least: 0, most: 600_000 },
} as const;

/** The longest that a server may have an agent wait, whatever it asks for. */
const longestWaitMs = 600_000;

export function boundedWaitMs(askedMs: number): number {
  return within(askedMs, { least: 0, most: longestWaitMs });
}

/** A rotation of the CA may spread its renewals over a day. */
export function boundedRenewalWaitMs(askedMs: number): number {
  return within(askedMs, { least: 0, most: 86_400_000 });
}

export function termsFromWelcome(welcome: Welcome): SessionTerms {
  const heartbeatMs = within(welcome.heartbeatMs || bounds.heartbeatMs.standard, bounds.heartbeatMs);
  const deadAfterMs = within(welcome.deadAfterMs || bounds.deadAfterMs.standard, bounds.deadAfterMs);
  return {
    sessionId: welcome.sessionId,
    epoch: welcome.epoch,
    replica: welcome.replica,
    heartbeatMs,
    // Dead must come after at least two heartbeats, or every session would die between two of them.
    deadAfterMs: Math.max(deadAfterMs, 2 * heartbeatMs),
    reconnectWindowMs: within(welcome.reconnectWindowMs, bounds.reconnectWindowMs),
    clockSkew: {
      warnMs: (welcome.clockSkewWarnSeconds || 60) * 1_000,
      failMs: (welcome.clockSkewFailSeconds || 300) * 1_000,
    },
    desired: { generation: welcome.desiredGeneration, digest: welcome.desiredDigest },
  };
}

function within(value: number, { least, most }: { readonly least: number; readonly most: number }): number {
  return Math.min(Math.max(value, least), most);
}
