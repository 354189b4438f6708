import { DrawbridgeError } from "@drawbridge/errors";
import { createPastTime, type Clock } from "@drawbridge/lifecycle";
import type { Kysely } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import { readDatabaseClock } from "../store/database-clock.ts";
import type { CertAuthorityDb } from "../store/schema.ts";

/** The time by which CA keys change. */
export interface AuthorityTime {
  /** PostgreSQL's: one for all replicas. */
  readonly now: Date;
  /** The lowest of all that is known: what ended before it has ended, and may be destroyed. */
  readonly past: Date;
  /** How far the process's clock is ahead of PostgreSQL's (behind: negative). */
  readonly aheadMs: number;
  /** False: one of the two clocks is wrong, and nobody knows which. */
  readonly isAgreed: boolean;
}

export interface AuthorityClock {
  /** Both clocks, in the caller's transaction if there is one. */
  read(db: Kysely<CertAuthorityDb>): Promise<AuthorityTime>;
  /** As of the last reading. */
  aheadMs(): number | undefined;
  /** What is wrong with the clocks; undefined if nothing is. */
  health(): string | undefined;
}

/** As much as a certificate is backdated. */
const toleranceMs = 300_000;

/**
 * One clock alone, days ahead by mistake, would make roots retire that are in use, and their keys are destroyed then. So
 * there are two, and both have to say so; and since both may be one machine's, a step forward of the process's own is
 * followed at twice the speed of time only. A process that starts on a machine whose clock is wrong, with PostgreSQL on
 * the same one, notices nothing (docs/adr/0007).
 */
export function createAuthorityClock(deps: {
  readonly clock: Pick<Clock, "now" | "monotonicMs">;
  readonly logger: Logger;
}): AuthorityClock {
  const { clock, logger } = deps;
  const pastTime = createPastTime(clock);
  let last: AuthorityTime | undefined;

  return {
    read: async (db) => {
      const askedMs = clock.now().getTime();
      const now = await readDatabaseClock(db);
      const answeredMs = clock.now().getTime();
      pastTime.look();
      // What the answer took is no difference.
      const nearestMs = Math.min(Math.max(now.getTime(), Math.min(askedMs, answeredMs)), Math.max(askedMs, answeredMs));
      const aheadMs = nearestMs - now.getTime();
      const past = new Date(Math.min(now.getTime(), pastTime.now.getTime()));
      const time = { now, past, aheadMs, isAgreed: Math.abs(aheadMs) <= toleranceMs };
      if (time.isAgreed !== (last?.isAgreed ?? true)) report(time);
      last = time;
      return time;
    },
    aheadMs: () => last?.aheadMs,
    health: () => last && clocksWarning(last),
  };

  function report(time: AuthorityTime): void {
    const facts = { ahead_ms: time.aheadMs };
    if (time.isAgreed) logger.info(facts, "the clocks agree again");
    else logger.error(facts, `CLOCKS_DISAGREE: ${clocksWarning(time) ?? ""}`);
  }
}

/** One sentence for people; undefined if the clocks agree. */
export function clocksWarning({ aheadMs, isAgreed }: Pick<AuthorityTime, "aheadMs" | "isAgreed">): string | undefined {
  if (isAgreed) return undefined;
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return `the clock of this replica of cert-authority is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} PostgreSQL's: it changes no CA key and no phase until they agree`;
}

/** @throws DrawbridgeError `CLOCKS_DISAGREE` (unavailable): another replica may be right */
export function assertAgreed(time: AuthorityTime): void {
  const message = clocksWarning(time);
  if (message === undefined) return;
  throw new DrawbridgeError({ kind: "unavailable", code: "CLOCKS_DISAGREE", message, retryAfterMs: 10_000 });
}
