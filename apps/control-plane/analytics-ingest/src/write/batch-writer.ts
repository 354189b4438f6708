import { join } from "node:path";
import type { QueueMessage } from "@drawbridge/bus";
import type { ColumnarStore } from "@drawbridge/columnar";
import {
  createLoop,
  type Clock,
  type Component,
  type HealthCheck,
  type IdSource,
  type Random,
} from "@drawbridge/lifecycle";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { BlockThreadState } from "./block-thread-protocol.ts";
import { createBlockStorer, type BlockStorer, type WriterStep } from "./block-storer.ts";
import { createWriterFigures, type WriterFigures } from "./writer-figures.ts";
import { keepFor } from "./keep-for.ts";
import { createOpenBlock, type GatheredBlock } from "./open-block.ts";
import { rawOf } from "./raw-of.ts";
import { recoverSpool } from "./recover-spool.ts";
import { openSpool } from "./spool.ts";
import { startBlockThread, type BlockThread } from "./start-block-thread.ts";
import { readTableId } from "./stored-batches.ts";

export interface BatchWriterDeps {
  /** Who brings batches: `handle` is called with each delivery, the next one when it has resolved. */
  readonly consume: (handle: (message: QueueMessage) => Promise<void>) => Component;
  /** Its schema is up to date. */
  readonly store: Pick<ColumnarStore, "insertFile" | "insertFiles" | "query" | "setRetention">;
  readonly deadLetters: Pick<DeadLetters, "putAside">;
  /** `spool` in it holds the files on their way into the store. */
  readonly dataDirectory: string;
  readonly placeFile: string | undefined;
  readonly retentionDays: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told at each step of a block, for tests that end the process there. */
  readonly onStep?: (step: WriterStep) => void;
}

export interface BatchWriter extends Component {
  /** Work goes on without the store until files wait; then consumption pauses. */
  readonly health: HealthCheck;
  /** What is wrong with the file of places. */
  readonly places: HealthCheck;
  readonly figures: WriterFigures;
}

/** Blocks that are written and not stored yet. */
const mostSealed = 2;
/** Deliveries that the thread has not looked at yet. */
const mostUnread = 16;
/** A delivery that is held says so: three times within the minute after which it would come again. */
const inProgressEveryMs = 20_000;
const lookEveryMs = 5_000;
const retryDeadLetterMs = 5_000;

/**
 * Writes what the queue brings into the store, each batch once:
 *
 *   delivery -> block (on its thread) -> file, synced -> insert under the file's name -> acknowledge all -> remove the file
 *
 * The file is what decides: once it is there, exactly its rows go in, however often the process is killed; a delivery that
 * comes again is known by what the store holds. Blocks are stored one after the other, so that nothing is acknowledged before
 * what came earlier is safe.
 */
export function createBatchWriter(deps: BatchWriterDeps): BatchWriter {
  const { clock, logger } = deps;
  const directory = join(deps.dataDirectory, "spool");
  const open = createOpenBlock(clock);
  const figures = createWriterFigures(deps);
  const held = new Set<QueueMessage>();
  /** No more deliveries are taken; then what is open is written; then time is up. */
  const closing = new AbortController();
  const stopping = new AbortController();
  const abandoning = new AbortController();
  const consumer = deps.consume(handle);
  let thread: BlockThread | undefined;
  let running: Promise<void> = Promise.resolve();
  let unread = 0;
  let trouble: string | undefined;
  let state: BlockThreadState = { placesNote: undefined, clampedTimes: 0, skippedUserAgents: 0 };

  async function handle(message: QueueMessage): Promise<void> {
    await open.room(closing.signal);
    if (closing.signal.aborted || thread === undefined) return message.retry(0);
    const block = open.current();
    block.messages.add(message);
    held.add(message);
    unread += 1;
    const reading = read(thread, block, message);
    if (unread >= mostUnread) await reading;
  }

  async function read(through: BlockThread, block: GatheredBlock, message: QueueMessage): Promise<void> {
    const added = await through.ask({ kind: "add", raw: rawOf(message) });
    unread -= 1;
    if (added.outcome === "added") {
      block.rows += added.rows;
      block.batches.push({ message, key: added.key });
      open.changed();
    } else if (added.outcome === "duplicate") {
      figures.duplicate();
    } else {
      block.messages.delete(message);
      await giveUp(message, added);
    }
  }

  async function giveUp(message: QueueMessage, why: { readonly code: string; readonly text: string }): Promise<void> {
    held.delete(message);
    try {
      await deps.deadLetters.putAside(message, why.code, why.text);
      figures.deadLetter();
      logger.error({ batch: message.id, code: why.code }, "batch put aside");
    } catch (err) {
      logger.warn({ err, batch: message.id }, "batch not put aside, will retry");
      message.retry(retryDeadLetterMs);
    }
  }

  function release(message: QueueMessage): void {
    held.delete(message);
  }

  /** Until it is stopped, and then until nothing is open. */
  async function run(storer: BlockStorer): Promise<void> {
    for (;;) {
      await storer.room(mostSealed);
      await open.due(stopping.signal);
      const block = open.seal();
      if (block === undefined) {
        if (stopping.signal.aborted) return storer.idle();
      } else {
        await storer.take(block);
      }
    }
  }

  function onTrouble(error: Error | undefined): void {
    trouble = error === undefined ? undefined : `blocks wait for the store: ${error.message}`;
  }

  function createStorer(through: BlockThread, tableId: string): BlockStorer {
    const { signal } = abandoning;
    return createBlockStorer({
      ...deps,
      thread: through,
      directory,
      tableId,
      onTrouble,
      figures,
      giveUp,
      release,
      signal,
    });
  }

  const saying = createLoop({
    name: "deliveries in progress",
    clock,
    intervalMs: inProgressEveryMs,
    pass: async () => {
      for (const message of held) message.inProgress();
    },
    onError: (err) => logger.warn({ err }, "deliveries may come again"),
  });
  const looking = createLoop({
    name: "state of the writer",
    clock,
    intervalMs: lookEveryMs,
    pass: async () => {
      if (thread !== undefined) state = await thread.ask({ kind: "look" });
    },
    onError: (err) => logger.warn({ err }, "the writer's thread does not answer"),
  });
  figures.observe(() => state);

  return {
    name: "batch writer",
    health: () => trouble,
    places: () => state.placesNote,
    figures,
    async start(signal) {
      await keepFor(deps.store, deps.retentionDays);
      const tableId = await readTableId(deps.store);
      const started = await startBlockThread({ placeFile: deps.placeFile }, { logger, signal });
      thread = started;
      try {
        await recoverSpool(await openSpool(directory), tableId, { ...deps, thread: started, onTrouble }, signal);
      } catch (error) {
        await started.close();
        throw error;
      }
      await looking.start(signal);
      await saying.start(signal);
      running = run(createStorer(started, tableId));
      await consumer.start(signal);
    },
    async stop(deadline) {
      closing.abort();
      await consumer.stop(deadline);
      await looking.stop(deadline);
      await saying.stop(deadline);
      deadline.addEventListener("abort", () => abandoning.abort(deadline.reason), { once: true });
      stopping.abort();
      try {
        await running;
      } catch (error) {
        if (!abandoning.signal.aborted) throw error; // what is written stays for the next process
      }
      await thread?.close();
    },
  };
}
