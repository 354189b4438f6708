import type { QueueMessage } from "@drawbridge/bus";
import { retryWithBackoff, type IdSource } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { WrittenBlock } from "./block-maker.ts";
import type { WriterFigures } from "./writer-figures.ts";
import type { GatheredBatch, GatheredBlock } from "./open-block.ts";
import { rawOf } from "./raw-of.ts";
import { siftBlock, type RefusedBatch } from "./sift-block.ts";
import { removeSpoolFiles, spoolName, type SpoolName } from "./spool.ts";
import type { BlockThread } from "./start-block-thread.ts";
import { storeBlock, type StoreBlockDeps, type StoreOutcome } from "./store-block.ts";

/** Where a block is on its way. */
export type WriterStep = "written" | "stored" | "acknowledged" | "removed";

export interface BlockStorerDeps extends StoreBlockDeps {
  readonly thread: BlockThread;
  readonly directory: string;
  readonly tableId: string;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly figures: Pick<WriterFigures, "stored">;
  readonly onStep?: (step: WriterStep) => void;
  readonly giveUp: (message: QueueMessage, why: { readonly code: string; readonly text: string }) => Promise<void>;
  /** The delivery is nobody's any more. */
  readonly release: (message: QueueMessage) => void;
  /** Time is up: what is written stays for the next process. */
  readonly signal: AbortSignal;
}

/** Takes blocks from the thread's memory to the store, one after the other. */
export interface BlockStorer {
  /** Resolves when fewer than so many blocks are written and not stored. */
  room(below: number): Promise<void>;
  /** Write the block that the thread has open, of these deliveries; resolves when the file is there. */
  take(block: GatheredBlock): Promise<void>;
  /** Resolves when all that was taken is stored, or time is up. */
  idle(): Promise<void>;
}

/** A batch that is refused alone may be met by a store that refuses everything: it comes again after this. */
const refusedAgainMs = 30_000;
/** That long is remembered what was refused when nothing else could be stored. */
const mostSuspects = 1_000;

export function createBlockStorer(deps: BlockStorerDeps): BlockStorer {
  const { thread, logger, signal, figures } = deps;
  const step = deps.onStep ?? (() => undefined);
  const waiting: Promise<void>[] = [];
  let storing: Promise<void> = Promise.resolve();
  let storedBlocks = 0;
  /** How many blocks had been stored when a batch was refused for the first time. */
  const suspects = new Map<string, number>();

  function nameFor(messages: readonly QueueMessage[]): SpoolName {
    const places = messages.map(({ sequence }) => sequence);
    const [first, last] = places.length === 0 ? [0, 0] : [Math.min(...places), Math.max(...places)];
    return spoolName(deps.directory, { id: deps.ids.next(), first, last, tableId: deps.tableId });
  }

  function acknowledge(messages: Iterable<QueueMessage>): void {
    for (const message of messages) {
      message.ack();
      deps.release(message);
    }
    step("acknowledged");
  }

  async function store(name: SpoolName, block: GatheredBlock, written: WrittenBlock): Promise<void> {
    if (written.batches > 0) {
      const result = await storeBlock(name, deps, signal);
      if (result.outcome === "refused") {
        logger.warn({ err: result.error, block: name.base }, "block refused, looking for the batch");
        await removeSpoolFiles(name);
        await sift(block);
        return;
      }
      step("stored");
      storedBlocks += 1;
      figures.stored({ ...written, batches: block.batches.length });
    }
    acknowledge(block.messages);
    await removeSpoolFiles(name);
    step("removed");
  }

  async function sift(block: GatheredBlock): Promise<void> {
    const { storedBatches, refused } = await siftBlock(block.batches, storePart);
    if (storedBatches > 0) storedBlocks += 1;
    for (const one of refused) await judge(one, storedBatches > 0);
    const judged = new Set(refused.map(({ batch }) => batch.message));
    acknowledge([...block.messages].filter((message) => !judged.has(message)));
  }

  async function storePart(part: readonly GatheredBatch[]): Promise<StoreOutcome> {
    const messages = part.map(({ message }) => message);
    const name = nameFor(messages);
    const written = await thread.ask({ kind: "writeSome", raws: messages.map(rawOf), name });
    const result = await storeBlock(name, deps, signal);
    if (result.outcome === "stored") {
      figures.stored({ ...written, batches: part.length });
      acknowledge(messages);
    }
    await removeSpoolFiles(name);
    return result;
  }

  /** It is the batch, not the store, if the store took others since. */
  async function judge({ batch, error }: RefusedBatch, othersWereStored: boolean): Promise<void> {
    const { message, key } = batch;
    await thread.ask({ kind: "forget", keys: [key] });
    const storedThen = suspects.get(message.id) ?? storedBlocks;
    if (othersWereStored || storedBlocks > storedThen) {
      suspects.delete(message.id);
      const { clickhouseCode } = error.details;
      const text = clickhouseCode === undefined ? error.message : `${error.message} (ClickHouse ${clickhouseCode})`;
      await deps.giveUp(message, { code: error.code, text });
      return;
    }
    suspects.set(message.id, storedThen);
    if (suspects.size > mostSuspects) suspects.delete(suspects.keys().next().value ?? "");
    deps.onTrouble(error);
    message.retry(refusedAgainMs);
    deps.release(message);
  }

  return {
    async room(below) {
      while (waiting.length >= below) await waiting[0];
    },
    async take(block) {
      const name = nameFor([...block.messages]);
      const written = await retryWithBackoff(
        // The first time at once: what is added later is in the next block.
        () => thread.ask({ kind: "write", name }),
        {
          clock: deps.clock,
          random: deps.random,
          onFailure: (err) => logger.warn({ err }, "block cannot be written, will retry"),
        },
        signal,
      );
      step("written");
      const stored = storing
        .then(() => store(name, block, written))
        .catch((error: unknown) => {
          if (!signal.aborted) throw error; // ends the process: nothing is acknowledged, the next one does it
        })
        .then(() => void waiting.shift());
      storing = stored;
      waiting.push(stored);
    },
    async idle() {
      await storing;
    },
  };
}
