import { isDrawbridgeError } from "@drawbridge/errors";
import { readBatch } from "@drawbridge/request-batch";
import { readQueuedBatch, type BatchKey } from "../receive/queued-batch.ts";
import { appendBatch, type ReceivedBatch } from "./append-batch.ts";
import { appendGaps } from "./append-gaps.ts";
import { createFactIds, type Enrichment, type FactIds } from "./fact-ids.ts";
import { KnownBatches } from "./known-batches.ts";
import { createGapBlock, createRequestBlock, type GapBlock, type RequestBlock } from "./request-block.ts";
import { createRollUp, type RollUp } from "./roll-ups/roll-up.ts";
import { writeSpoolFiles, type SpooledBatch, type SpoolName } from "./spool.ts";

/** What the queue holds of a batch. */
export interface RawBatch {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** What became of a batch that was offered. */
export type AddedBatch =
  /** In the open block. */
  | { readonly outcome: "added"; readonly key: BatchKey; readonly rows: number }
  /** In the store already, on its way there, or in the open block. */
  | { readonly outcome: "duplicate" }
  /** Nobody can read it. */
  | { readonly outcome: "unreadable"; readonly code: string; readonly text: string };

export interface WrittenBlock {
  readonly rows: number;
  readonly batches: number;
  /** When its newest request came; 0 without one. */
  readonly newestMs: number;
}

interface OpenBlock {
  readonly requests: RequestBlock;
  readonly rollUp: RollUp;
  readonly gaps: GapBlock;
  readonly factIds: FactIds;
  batches: SpooledBatch[];
  newestMs: number;
}

/**
 * Makes blocks for the store out of batches: reads, recognises what comes twice, enriches, encodes, writes files. Has all of the
 * work that costs time, and none that waits for others, so that it fits on a thread.
 */
export interface BlockMaker {
  add(raw: RawBatch): AddedBatch;
  /**
   * Write the open block, which is a new one from then on; without batches nothing is written. When it rejects, as on a full disk,
   * the next call with the same name tries the same block again.
   */
  write(name: SpoolName): Promise<WrittenBlock>;
  /** A block of just these batches, whether they are known or not: parts of one that the store refused. */
  writeSome(raws: readonly RawBatch[], name: SpoolName): Promise<WrittenBlock>;
  /** They are in the store. */
  learn(batches: readonly (BatchKey & { readonly last?: bigint })[]): void;
  isKnown(key: BatchKey): boolean;
  /** They are not in the store after all. */
  forget(keys: readonly BatchKey[]): void;
  readonly clampedTimes: number;
}

export function createBlockMaker(enrichment: Enrichment): BlockMaker {
  const known = new KnownBatches();
  let open = createOpenBlock(enrichment);
  /** Being written, or to be tried again; its memory serves again. */
  let sealed: OpenBlock | undefined;
  let spare = createOpenBlock(enrichment);
  let clampedTimes = 0;

  function append(block: OpenBlock, received: ReceivedBatch): void {
    const { batch, fabricId } = received;
    const appended = appendBatch(block.requests, received, block.factIds);
    appendGaps(block.gaps, received);
    clampedTimes += appended.clampedTimes;
    block.newestMs = Math.max(block.newestMs, appended.newestMs);
    block.batches.push({ ...keyOf(received), fabricId, rows: batch.rows });
  }

  async function writeBlock(block: OpenBlock, name: SpoolName): Promise<WrittenBlock> {
    const written = { rows: block.requests.rows, batches: block.batches.length, newestMs: block.newestMs };
    if (written.batches > 0) await writeSpoolFiles(name, block);
    block.requests.clear();
    block.rollUp.clear();
    block.gaps.clear();
    block.factIds.clear();
    block.batches = [];
    block.newestMs = 0;
    return written;
  }

  return {
    add(raw) {
      let received: ReceivedBatch;
      try {
        received = readRaw(raw);
      } catch (error) {
        if (!isDrawbridgeError(error)) throw error;
        return { outcome: "unreadable", code: error.code, text: error.message };
      }
      const key = keyOf(received);
      if (known.has(key)) return { outcome: "duplicate" };
      known.add(key);
      append(open, received);
      return { outcome: "added", key, rows: received.batch.rows };
    },
    async write(name) {
      if (sealed === undefined) [sealed, open] = [open, spare];
      const written = await writeBlock(sealed, name);
      spare = sealed;
      sealed = undefined;
      return written;
    },
    writeSome(raws, name) {
      const block = createOpenBlock(enrichment);
      for (const raw of raws) append(block, readRaw(raw));
      return writeBlock(block, name);
    },
    learn(batches) {
      for (const { last, ...key } of batches) known.add(key, last);
    },
    isKnown: (key) => known.has(key),
    forget(keys) {
      for (const key of keys) known.delete(key);
    },
    get clampedTimes() {
      return clampedTimes;
    },
  };
}

function createOpenBlock(enrichment: Enrichment): OpenBlock {
  const requests = createRequestBlock();
  return {
    requests,
    rollUp: createRollUp(requests),
    gaps: createGapBlock(),
    factIds: createFactIds(requests, enrichment),
    batches: [],
    newestMs: 0,
  };
}

function readRaw({ bytes, headers }: RawBatch): ReceivedBatch {
  const queued = readQueuedBatch({ bytes, header: (name) => headers[name] ?? "" });
  return { batch: readBatch(queued.bytes), fabricId: queued.fabricId, receivedAtMs: queued.receivedAtMs };
}

function keyOf({ batch, fabricId }: ReceivedBatch): BatchKey {
  return { fabricId, gatewayId: batch.gatewayId, epoch: batch.epoch, sequence: batch.sequence };
}
