import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, temporaryMark, writeDurably } from "@drawbridge/durable-files";
import { toError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import {
  batchFileName,
  frameBatch,
  headBytes,
  parseBatchFileName,
  unframeBatch,
  type BatchName,
} from "./batch-file.ts";

/** Why data points never arrived. */
export type DropReason = "too_old" | "queue_full" | "refused" | "rejected" | "damaged";

export interface QueuedBatch extends BatchName {
  readonly content: Buffer;
}

/*
 * Batches on their way out, oldest first, on disk.
 *
 * Invariants:
 * - A batch is on disk, with its folder, before `append` resolves, and goes only with `remove` or when a bound is passed.
 * - The checkpoint says what the batches before it hold: both take force together, whatever ends the process.
 * - Bounds: bytes and age; the oldest goes first, and everything that goes without delivery is told to `onDropped`.
 */
export interface BatchQueue {
  /** Read what an earlier process left. */
  open(): Promise<void>;
  /** Of the last `append` that took force. */
  checkpoint(): string | undefined;
  append(batches: readonly Pick<Batch, "content" | "dataPoints">[], checkpoint: string): Promise<void>;
  /** The oldest; `undefined`: there is none. */
  first(): Promise<QueuedBatch | undefined>;
  remove(sequence: number): Promise<void>;
  /** Forget batches that are too old. */
  expire(): Promise<void>;
  size(): { readonly batches: number; readonly bytes: number; readonly oldestAtMs: number | undefined };
  /** Resolves when there is a batch. */
  whenFilled(signal: AbortSignal): Promise<void>;
}

interface Batch {
  readonly content: Uint8Array;
  readonly dataPoints: number;
}

interface Entry extends BatchName {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface BatchQueueOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly onDropped: (reason: DropReason, dataPoints: number) => void;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

const checkpointFile = "checkpoint.json";
const pendingFile = "checkpoint.pending.json";
const checkpointSchema = z.object({ first: z.number().int(), next: z.number().int(), data: z.string() });
type Checkpoint = Readonly<z.output<typeof checkpointSchema>>;

/** Damaged files are kept for whoever wants to know why, but not more than so many. */
const keptDamaged = 5;

export function createBatchQueue(options: BatchQueueOptions): BatchQueue {
  const { directory, maxBytes, maxAgeMs, onDropped, clock, logger } = options;
  const checkpointPath = join(directory, checkpointFile);
  const pendingPath = join(directory, pendingFile);
  let entries: Entry[] = [];
  let checkpoint: Checkpoint | undefined;
  let next = 0;
  let filled = Promise.withResolvers<void>();

  async function open(): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = await readdir(directory);
    for (const name of names) if (name.endsWith(temporaryMark)) await rm(join(directory, name), { force: true });
    entries = [];
    for (const name of names.toSorted()) {
      const parsed = parseBatchFileName(name);
      if (parsed === undefined) continue;
      const path = join(directory, name);
      entries.push({ ...parsed, path, sizeBytes: (await stat(path)).size });
    }
    checkpoint = await readCheckpoint(checkpointPath);
    await finishPending();
    next = Math.max(checkpoint?.next ?? 0, (entries.at(-1)?.sequence ?? -1) + 1);
    await keepBounds();
    if (entries.length > 0) filled.resolve();
  }

  /** A process that ended in the middle of `append`: all of its batches are there and count, or none does. */
  async function finishPending(): Promise<void> {
    const pending = await readCheckpoint(pendingPath);
    if (pending === undefined) return rm(pendingPath, { force: true });
    const written = entries.filter(({ sequence }) => sequence >= pending.first && sequence < pending.next);
    if (written.length === pending.next - pending.first) {
      await rename(pendingPath, checkpointPath);
      checkpoint = pending;
    } else {
      for (const entry of written) await rm(entry.path, { force: true });
      entries = entries.filter((entry) => !written.includes(entry));
      await rm(pendingPath, { force: true });
    }
    await syncFolder(directory);
  }

  async function append(batches: readonly Batch[], data: string): Promise<void> {
    const createdAtMs = clock.now().getTime();
    const pending: Checkpoint = { first: next, next: next + batches.length, data };
    const written: Entry[] = [];
    try {
      await writeDurably(pendingPath, JSON.stringify(pending));
      for (const { content, dataPoints } of batches) {
        const name = { sequence: pending.first + written.length, createdAtMs, dataPoints };
        const path = join(directory, batchFileName(name));
        await writeDurably(path, frameBatch(content));
        written.push({ ...name, path, sizeBytes: content.length + headBytes });
      }
      await rename(pendingPath, checkpointPath);
    } catch (error) {
      for (const { path } of written) await rm(path, { force: true });
      await rm(pendingPath, { force: true });
      throw error;
    }
    await syncFolder(directory);
    checkpoint = pending;
    next = pending.next;
    entries.push(...written);
    await keepBounds();
    if (entries.length > 0) filled.resolve();
  }

  async function keepBounds(): Promise<void> {
    const oldestMs = clock.now().getTime() - maxAgeMs;
    while (entries[0] !== undefined && entries[0].createdAtMs < oldestMs) await drop(entries[0], "too_old");
    while (entries[0] !== undefined && bytes() > maxBytes) await drop(entries[0], "queue_full");
  }

  async function drop(entry: Entry, reason: DropReason): Promise<void> {
    await forget(entry);
    onDropped(reason, entry.dataPoints);
  }

  async function forget(entry: Entry): Promise<void> {
    entries = entries.filter((each) => each !== entry);
    if (entries.length === 0) filled = Promise.withResolvers<void>();
    await rm(entry.path, { force: true });
  }

  function bytes(): number {
    return entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  async function setAside(entry: Entry): Promise<void> {
    logger.error({ path: entry.path }, "a queued batch is damaged: it is set aside");
    onDropped("damaged", entry.dataPoints);
    entries = entries.filter((each) => each !== entry);
    if (entries.length === 0) filled = Promise.withResolvers<void>();
    await rename(entry.path, `${entry.path}.damaged`).catch((error: unknown) =>
      logger.warn({ err: error }, "a damaged batch cannot be set aside"),
    );
    const damaged = (await readdir(directory)).filter((name) => name.endsWith(".damaged")).toSorted();
    for (const name of damaged.slice(0, -keptDamaged)) await rm(join(directory, name), { force: true });
  }

  return {
    open,
    checkpoint: () => checkpoint?.data,
    append,
    first: async () => {
      for (let entry = entries[0]; entry !== undefined; entry = entries[0]) {
        const content = await readBatch(entry);
        if (content !== undefined) return { ...entry, content };
        if (entries.includes(entry)) await setAside(entry);
      }
      return undefined;
    },
    remove: async (sequence) => {
      const entry = entries.find((each) => each.sequence === sequence);
      if (entry !== undefined) await forget(entry);
    },
    expire: keepBounds,
    size: () => ({ batches: entries.length, bytes: bytes(), oldestAtMs: entries[0]?.createdAtMs }),
    whenFilled: async (signal) => {
      const aborted = Promise.withResolvers<void>();
      const onAbort = (): void => aborted.resolve();
      if (signal.aborted) return;
      signal.addEventListener("abort", onAbort, { once: true });
      await Promise.race([filled.promise, aborted.promise]);
      signal.removeEventListener("abort", onAbort);
    },
  };

  async function readBatch({ path }: Entry): Promise<Buffer | undefined> {
    try {
      return unframeBatch(await readFile(path));
    } catch (error) {
      logger.warn({ path, reason: toError(error).message }, "a queued batch cannot be read");
      return undefined;
    }
  }
}

/** The next sample is measured from its own time on. */
export async function removeCheckpoint(directory: string): Promise<void> {
  await rm(join(directory, checkpointFile), { force: true });
  await rm(join(directory, pendingFile), { force: true });
}

/** `undefined`: none, or none that makes sense. */
async function readCheckpoint(path: string): Promise<Checkpoint | undefined> {
  try {
    return checkpointSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined; // measured from now on
  }
}
