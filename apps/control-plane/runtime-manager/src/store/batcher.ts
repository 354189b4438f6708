import { isDrawbridgeError } from "@drawbridge/errors";

export interface BatcherOptions<I, O> {
  /** Items in one batch, at most. */
  readonly size: number;
  /** Batches under way at once. */
  readonly lanes: number;
  /** Two items with one key never share a batch. */
  readonly keyOf?: (item: I) => string;
  /** Answers in the order of the items. A rejection of several makes each of them run alone. */
  readonly run: (items: readonly I[]) => Promise<readonly O[]>;
}

interface Waiting<I, O> {
  readonly item: I;
  readonly resolve: (answer: O) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Turns many calls at once into few statements. An item waits for nothing when a lane is free, only for what arrives in
 * the same turn of the event loop; under load, what arrives while all lanes are busy makes the next batch.
 */
export function createBatcher<I, O>(options: BatcherOptions<I, O>): (item: I) => Promise<O> {
  const waiting: Waiting<I, O>[] = [];
  let busyLanes = 0;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || waiting.length === 0 || busyLanes >= options.lanes) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      if (waiting.length === 0 || busyLanes >= options.lanes) return;
      busyLanes += 1;
      void runBatch(takeBatch()).finally(() => {
        busyLanes -= 1;
        schedule();
      });
      schedule();
    });
  }

  /** In order of arrival; an item whose key is in the batch already stays for a later one. */
  function takeBatch(): readonly Waiting<I, O>[] {
    const { keyOf } = options;
    if (!keyOf) return waiting.splice(0, options.size);
    const batch: Waiting<I, O>[] = [];
    const left: Waiting<I, O>[] = [];
    const keys = new Set<string>();
    for (const entry of waiting) {
      const key = keyOf(entry.item);
      const isTaken = batch.length < options.size && !keys.has(key);
      if (isTaken) keys.add(key);
      (isTaken ? batch : left).push(entry);
    }
    waiting.splice(0, waiting.length, ...left);
    return batch;
  }

  async function runBatch(batch: readonly Waiting<I, O>[]): Promise<void> {
    try {
      const answers = await options.run(batch.map(({ item }) => item));
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer);
    } catch (error) {
      if (batch.length === 1 || isAway(error)) for (const { reject } of batch) reject(error);
      else for (const entry of batch) await runBatch([entry]); // one of them is to blame, the others are not
    }
  }

  return (item) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}

/** The database does not answer: trying one by one would only take longer to say so. */
function isAway(error: unknown): boolean {
  return isDrawbridgeError(error) && (error.kind === "unavailable" || error.kind === "deadline_exceeded");
}
