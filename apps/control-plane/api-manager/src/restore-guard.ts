import { readFile, rename, writeFile } from "node:fs/promises";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { isPutBack, readPosition, renewIncarnation, type RecordPosition } from "./store/incarnation.ts";
import type { Store } from "@drawbridge/store";
import type { ApiManagerDatabase } from "./store/database.ts";

const intervalMs = 1_000;

/**
 * Notices that the database was put back to an earlier state, and makes the record a new incarnation: gateways then take what
 * was restored, instead of refusing its lower revisions until as many changes were made again. This replica keeps how far the
 * record had come in a file, where a restore of the database does not reach. Its start is over when the first look is, so
 * that nothing is served of an incarnation that is to be given up.
 */
export function createRestoreGuard(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { store, file, clock, logger } = deps;
  let seen: RecordPosition | undefined;
  let isUnwritable = false;

  async function look(): Promise<void> {
    seen ??= await readSeen(file);
    let now = await readPosition(store);
    if (seen && isPutBack(now, seen)) {
      const facts = { changesBefore: Number(seen.changes), changes: Number(now.changes) };
      if ((await renewIncarnation(store, now.incarnationId)) === "renewed")
        logger.error(facts, "security: the database was restored to an earlier state: it is a new incarnation now");
      now = await readPosition(store);
    }
    if (seen?.incarnationId === now.incarnationId && seen.changes === now.changes) return;
    await keep(now);
    seen = now;
  }

  async function keep({ incarnationId, createdAt, changes }: RecordPosition): Promise<void> {
    try {
      await writeFile(`${file}.new`, `${incarnationId} ${createdAt.toISOString()} ${changes}\n`, {
        mode: 0o600,
        flush: true,
      });
      await rename(`${file}.new`, file);
      isUnwritable = false;
    } catch (error) {
      if (!isUnwritable) logger.warn({ err: error, file }, "a restore of the database would not be noticed here");
      isUnwritable = true;
    }
  }

  const loop = createLoop({
    name: "restore guard",
    clock,
    intervalMs,
    pass: look,
    onError: (error) => logger.debug({ err: error }, "it is not known whether the database was restored"),
  });
  return {
    ...loop,
    start: async (signal) => {
      await look();
      await loop.start(signal);
    },
    stop: async (deadline) => {
      await loop.stop(deadline);
      await look().catch(() => undefined); // the database is away: what was kept a moment ago will do
    },
  };
}

/** undefined if there is none, or none that can be read: nothing is known then. */
async function readSeen(file: string): Promise<RecordPosition | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const [, incarnationId, since, changes] = /^([0-9a-f-]{36}) ([0-9TZ:.-]{24}) (\d{1,20})\n$/.exec(text) ?? [];
  if (incarnationId === undefined || since === undefined || changes === undefined) return undefined;
  const createdAt = new Date(since);
  return Number.isNaN(createdAt.getTime()) ? undefined : { incarnationId, createdAt, changes: BigInt(changes) };
}
