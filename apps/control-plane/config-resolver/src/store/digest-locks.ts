import { DrawbridgeError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import { sql, type Kysely, type Store } from "@drawbridge/store";
import { field, type Logger } from "@drawbridge/telemetry";
import type { DigestLock } from "../domain/digest-lock.ts";
import { createKeyedLock } from "../domain/keyed-lock.ts";
import type { ConfigResolverDatabase } from "./database.ts";

/**
 * One holder per digest among all replicas that share the blob folder and the database. Invariants:
 * - within this process a queue per digest; among processes an advisory lock of one database session, which the server
 *   gives up by itself when this process dies or its connection ends;
 * - work whose session is lost is told so by its signal within `probeMs`, and must not write any further. Without a session
 *   nothing is begun.
 */
export interface DigestLocks extends DigestLock, Component {}

/** How soon a lost session is noticed. */
const probeMs = 1_000;
/** How often one asks for a lock that another replica holds. */
const pollMs = 200;
const retry = { baseMs: 100, capMs: 2_000, floorMs: 50 };

interface Session {
  readonly lost: AbortController;
  /** One statement at a time: it is one connection. */
  run<T>(statement: (db: Kysely<ConfigResolverDatabase>) => Promise<T>): Promise<T>;
}

export function createDigestLocks(deps: {
  readonly store: Pick<Store<ConfigResolverDatabase>, "db">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}): DigestLocks {
  const { store, clock, random } = deps;
  const logger = deps.logger.child({ [field.component]: "digest locks" });
  const local = createKeyedLock();
  const stopping = new AbortController();
  const firstSession = Promise.withResolvers<void>();
  let session: Session | undefined;
  let running: Promise<void> = Promise.resolve();
  let failures = 0;

  async function useSession(current: Session): Promise<void> {
    await probe(current);
    if (failures > 0) logger.info("the locks are back");
    failures = 0;
    session = current;
    firstSession.resolve();
    for (;;) {
      await clock.sleep(probeMs, stopping.signal);
      await probe(current);
    }
  }

  async function keepSession(): Promise<void> {
    while (!stopping.signal.aborted) {
      const lost = new AbortController();
      try {
        await store.db.connection().execute(async (db) => {
          const current = openSession(db, lost);
          try {
            await useSession(current);
          } finally {
            session = undefined;
            lost.abort(lockUnavailable());
            // The connection goes back to the pool if it still works.
            await current.run((of) => sql`SELECT pg_advisory_unlock_all()`.execute(of)).catch(() => undefined);
          }
        });
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (failures === 0) logger.warn({ err: error }, "the locks are lost, will retry");
        const delayMs = fullJitterDelayMs({ ...retry, attempt: failures, random });
        failures += 1;
        await clock.sleep(delayMs, stopping.signal).catch(() => undefined); // stopped
      }
    }
  }

  /** Wait for the lock of the database; "taken" if somebody has it and `signal` is not there to wait with. */
  async function acquire(mine: Session, digest: string, signal: AbortSignal | undefined): Promise<"held" | "taken"> {
    for (;;) {
      mine.lost.signal.throwIfAborted();
      if (await tryLock(mine, digest)) return "held";
      if (signal === undefined) return "taken";
      signal.throwIfAborted();
      await clock.sleep(pollMs, AbortSignal.any([signal, mine.lost.signal]));
    }
  }

  async function release(mine: Session, digest: string): Promise<void> {
    try {
      await unlock(mine, digest);
    } catch {
      mine.lost.abort(lockUnavailable()); // the session is given up, and its locks with it
    }
  }

  async function tryHold<T>(digest: string, work: (lost: AbortSignal) => Promise<T>, signal?: AbortSignal) {
    return local.hold(digest, async () => {
      signal?.throwIfAborted();
      const mine = session;
      if (mine === undefined) throw lockUnavailable();
      if ((await acquire(mine, digest, signal)) === "taken") return { outcome: "taken" } as const;
      try {
        return { outcome: "done", value: await work(mine.lost.signal) } as const;
      } finally {
        await release(mine, digest);
      }
    });
  }

  return {
    name: "digest locks",
    hold: async (digest, work, signal) => {
      const held = await tryHold(digest, work, signal);
      if (held.outcome === "done") return held.value;
      throw lockUnavailable();
    },
    tryHold: async (digest, work) => (local.isHeld(digest) ? { outcome: "taken" } : tryHold(digest, work)),
    start: async (signal) => {
      const onAbort = (): void => firstSession.reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      running = keepSession();
      try {
        await firstSession.promise;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
    stop: async () => {
      stopping.abort(new Error("digest locks are stopping"));
      await running;
    },
  };
}

function openSession(db: Kysely<ConfigResolverDatabase>, lost: AbortController): Session {
  let last: Promise<unknown> = Promise.resolve();
  return {
    lost,
    run: (statement) => {
      const result = last.then(() => statement(db));
      last = result.catch(() => undefined);
      return result;
    },
  };
}

async function probe(session: Session): Promise<void> {
  session.lost.signal.throwIfAborted();
  await session.run((db) => sql`SELECT 1`.execute(db));
}

async function tryLock(session: Session, digest: string): Promise<boolean> {
  const name = lockName(digest);
  const { rows } = await session.run((db) =>
    sql<{ held: boolean }>`SELECT pg_try_advisory_lock(hashtextextended(${name}, 0)) AS held`.execute(db),
  );
  return rows[0]?.held ?? false;
}

async function unlock(session: Session, digest: string): Promise<void> {
  const name = lockName(digest);
  await session.run((db) => sql`SELECT pg_advisory_unlock(hashtextextended(${name}, 0))`.execute(db));
}

function lockName(digest: string): string {
  return `drawbridge config-resolver ${digest}`;
}

function lockUnavailable(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "BLOB_LOCK_UNAVAILABLE",
    message: "the database, which keeps replicas from writing one bundle at once, cannot be reached; try again",
    retryAfterMs: 1_000,
  });
}
