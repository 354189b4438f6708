import type { QueueMessage } from "@drawbridge/bus";
import type { Clock } from "@drawbridge/lifecycle";
import type { BatchKey } from "../receive/queued-batch.ts";

/** A batch that is in a block, and its delivery. */
export interface GatheredBatch {
  readonly message: QueueMessage;
  readonly key: BatchKey;
}

/** Deliveries that are acknowledged together, once the rows of those that brought any are stored. */
export interface GatheredBlock {
  readonly openedAtMs: number;
  rows: number;
  readonly messages: Set<QueueMessage>;
  readonly batches: GatheredBatch[];
}

/** As many as come in a second of great haste: each insert has a price of its own, and so has each merge that follows. */
const mostRows = 250_000;
const mostMessages = 5_000;
/** Of a first message, until the block is written: what everybody who looks at fresh figures waits for. */
const waitMs = 500;

/** The block that is being filled, and who waits for it. */
export interface OpenBlock {
  /** Where a delivery belongs now. */
  current(): GatheredBlock;
  /** Somebody changed the block. */
  changed(): void;
  isFull(): boolean;
  /** Resolves when it is full, or has waited long enough. */
  due(signal: AbortSignal): Promise<void>;
  /** Resolves when it takes more. */
  room(signal: AbortSignal): Promise<void>;
  /** From now on another one is filled. */
  seal(): GatheredBlock | undefined;
}

export function createOpenBlock(clock: Clock): OpenBlock {
  let block: GatheredBlock | undefined;
  let change = Promise.withResolvers<void>();

  function notify(): void {
    change.resolve();
    change = Promise.withResolvers();
  }

  async function nextChange(signal: AbortSignal, withinMs?: number): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const ended = Promise.withResolvers<void>();
    either.addEventListener("abort", () => ended.resolve(), { once: true });
    if (either.aborted) return;
    void change.promise.then(() => over.abort());
    if (withinMs !== undefined)
      void clock.sleep(withinMs, either).then(
        () => over.abort(),
        () => undefined,
      );
    await ended.promise;
  }

  const isFull = (): boolean => block !== undefined && (block.rows >= mostRows || block.messages.size >= mostMessages);

  return {
    current() {
      if (block === undefined) {
        block = { openedAtMs: clock.monotonicMs(), rows: 0, messages: new Set(), batches: [] };
        notify();
      }
      return block;
    },
    changed() {
      if (isFull()) notify();
    },
    isFull,
    async due(signal) {
      while (!signal.aborted && !isFull()) {
        const leftMs = block === undefined ? undefined : block.openedAtMs + waitMs - clock.monotonicMs();
        if (leftMs !== undefined && leftMs <= 0) return;
        await nextChange(signal, leftMs);
      }
    },
    async room(signal) {
      while (!signal.aborted && isFull()) await nextChange(signal);
    },
    seal() {
      const sealed = block;
      block = undefined;
      notify();
      return sealed;
    },
  };
}
