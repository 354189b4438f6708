import { fullJitterDelayMs, type Random } from "@drawbridge/lifecycle";
import { boundedWaitMs } from "./session-terms.ts";

/** R13: base 1 s, cap 60 s, floor 250 ms, jitter after the cap. */
const baseMs = 1_000;
const capMs = 60_000;
const leastCapMs = 5_000;
const floorMs = 250;
/** A session that lived this long was healthy: what failed before it no longer counts. */
export const healthyAfterMs = 60_000;
/** After this many failures in a row the TLS context is built anew from the files. */
export const rebuildAfterFailures = 5;
/** How long to wait after a refusal that only a person can lift. */
const refusedMinMs = 60_000;
const refusedMaxMs = 600_000;
/** A lock is lifted by a person who is watching; a fifth more spreads those of one site. */
const lockedMs = 60_000;
/**
 * The control plane answers a process that was taken over from with `BOOT_SUPERSEDED` and a time to wait, longer than any ordered end
 * takes; who is alive after it proves that there are two, and is locked. Until that answer it asks with this distance.
 */
export const supersededMs = 10_000;

/** Why there is no tunnel. */
export type LossCause =
  /** A session that had been welcomed ended. `livedMs` is how long it lived. */
  | { readonly cause: "lost"; readonly livedMs: number; readonly reconnectWindowMs: number }
  /** An attempt did not end in a welcome. */
  | { readonly cause: "failed"; readonly retryAfterMs?: number }
  /** The control plane does not want this agent: revoked, unknown, deleted, incompatible. */
  | { readonly cause: "refused" }
  /** Two processes were seen with this identity: it is locked until an operator decides. */
  | { readonly cause: "locked" }
  /** Another process with this identity has come. */
  | { readonly cause: "superseded"; readonly retryAfterMs?: number };

/** Waiting alone will not help; a person may. */
export function isRefusal({ cause }: LossCause): boolean {
  return cause === "refused" || cause === "locked" || cause === "superseded";
}

export interface ReconnectState {
  /** Failed attempts since the last healthy session. */
  readonly failures: number;
  /** Window of the last session's server; undefined before the first session. */
  readonly windowMs?: number;
}

export const initialReconnectState: ReconnectState = { failures: 0 };

export interface ReconnectDecision {
  readonly state: ReconnectState;
  readonly delayMs: number;
  /** True when the next attempt must read identity and trust bundle from disk again. */
  readonly isRebuildDue: boolean;
}

/**
 * When to dial again (design R13). After the loss of a session the first attempt waits a random part of the window that the
 * server sized for its agents; further attempts back off with full jitter; a server that says when to come back is
 * believed; only a session that was healthy for a minute forgets earlier failures. It never gives up.
 *
 * The window is as long as the server needs to take all its agents back. Attempts that are spread over twice the window
 * come at that rate on average, so a longer backoff (up to 60 s) is left to agents that were never told a window: nobody
 * waits a minute for a server that has been back for long.
 */
export function decideReconnect(state: ReconnectState, loss: LossCause, random: Random): ReconnectDecision {
  switch (loss.cause) {
    case "lost": {
      const failures = loss.livedMs >= healthyAfterMs ? 0 : state.failures + 1;
      const windowMs = Math.max(loss.reconnectWindowMs, floorMs);
      const backoffMs =
        failures <= 1
          ? 0
          : fullJitterDelayMs({
              attempt: failures - 1,
              baseMs,
              capMs: capFor(loss.reconnectWindowMs),
              floorMs,
              random,
            });
      const delayMs = Math.max(random.next() * windowMs, backoffMs, floorMs);
      const next = { failures, windowMs: loss.reconnectWindowMs };
      return { state: next, delayMs, isRebuildDue: isRebuildDue(failures) };
    }
    case "failed": {
      const failures = state.failures + 1;
      const backoffMs = fullJitterDelayMs({
        attempt: failures - 1,
        baseMs,
        capMs: capFor(state.windowMs),
        floorMs,
        random,
      });
      // RetryInfo is a lower bound: everybody was told the same, so the backoff is added to spread them.
      const delayMs = loss.retryAfterMs === undefined ? backoffMs : boundedWaitMs(loss.retryAfterMs) + backoffMs;
      return { state: { ...state, failures }, delayMs, isRebuildDue: isRebuildDue(failures) };
    }
    case "refused": {
      const failures = state.failures + 1;
      const delayMs = refusedMinMs + random.next() * (refusedMaxMs - refusedMinMs);
      return { state: { ...state, failures }, delayMs, isRebuildDue: true };
    }
    case "locked":
    case "superseded": {
      const failures = state.failures + 1;
      const leastMs = loss.cause === "locked" ? lockedMs : boundedWaitMs(loss.retryAfterMs ?? supersededMs);
      return { state: { ...state, failures }, delayMs: leastMs * (1 + random.next() / 5), isRebuildDue: true };
    }
  }
}

function capFor(windowMs: number | undefined): number {
  return windowMs === undefined ? capMs : Math.min(capMs, Math.max(leastCapMs, 2 * windowMs));
}

function isRebuildDue(failures: number): boolean {
  return failures > 0 && failures % rebuildAfterFailures === 0;
}
