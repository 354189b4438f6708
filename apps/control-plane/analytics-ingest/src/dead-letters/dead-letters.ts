import type { KeptEntry, QueueDeadLetters, QueueMessage, WorkQueue } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { batchHeader, fabricHeader, receivedAtHeader } from "../receive/queued-batch.ts";

/** A batch that could not be stored. */
export interface DeadBatch {
  /** Number in the stream of dead letters. */
  readonly id: bigint;
  readonly fabricId: string;
  readonly gatewayId: string;
  /** When it was put aside. */
  readonly time: Date;
  readonly code: string;
  /** What was wrong, in words. */
  readonly message: string;
  readonly bytes: number;
  /** How often it was tried, over all replays. */
  readonly attempts: number;
}

/** Batches that could not be stored: kept for 30 days, to be looked at, offered again or given up. */
export interface DeadLetters {
  /** Resolves when the batch is kept and gone from the queue. */
  putAside(message: QueueMessage, code: string, text: string): Promise<void>;
  /** Oldest first. */
  list(options: { readonly limit: number }): Promise<DeadBatch[]>;
  /**
   * Offer them to the store again; how many. No ids: all that are there now.
   * @throws DrawbridgeError `DEAD_LETTER_UNKNOWN` (not_found), before any of them was touched
   */
  replay(options: { readonly ids: readonly bigint[] }): Promise<number>;
  /**
   * Give them up; how many. No ids: all that are there now.
   * @throws DrawbridgeError `DEAD_LETTER_UNKNOWN` (not_found), before any of them was touched
   */
  delete(options: { readonly ids: readonly bigint[] }): Promise<number>;
  count(): Promise<bigint>;
}

const codeHeader = "Drawbridge-Dead-Code";
const textHeader = "Drawbridge-Dead-Text";
const attemptsHeader = "Drawbridge-Attempts";
const textLength = 300;
const pageSize = 100;

export function createDeadLetters(deps: {
  readonly queue: Pick<WorkQueue, "publish">;
  readonly letters: QueueDeadLetters;
}): DeadLetters {
  const { queue, letters } = deps;

  /** Those with these ids, each seen to be there; or all up to now, a page at a time. */
  async function forEach(ids: readonly bigint[], work: (entry: KeptEntry) => Promise<boolean>): Promise<number> {
    let done = 0;
    for await (const entry of ids.length > 0 ? named(ids) : everything()) if (await work(entry)) done += 1;
    return done;
  }

  async function* named(ids: readonly bigint[]): AsyncIterable<KeptEntry> {
    for (const id of ids) if ((await letters.find(Number(id))) === undefined) throw unknown(id);
    for (const id of new Set(ids)) {
      const entry = await letters.find(Number(id));
      if (entry !== undefined) yield entry; // else somebody else was faster
    }
  }

  /** Not what comes back while this goes on. */
  async function* everything(): AsyncIterable<KeptEntry> {
    let left = await letters.count();
    for (let fromSequence = 1; left > 0;) {
      const page = await letters.list({ fromSequence, limit: Math.min(pageSize, left) });
      const last = page.at(-1);
      if (last === undefined) return;
      yield* page;
      left -= page.length;
      fromSequence = last.sequence + 1;
    }
  }

  return {
    putAside: async (message, code, text) => {
      const before = Number(message.header(attemptsHeader)) || 0;
      await letters.keep({
        id: `dead:${message.sequence}:${message.id}`,
        bytes: message.bytes,
        headers: {
          [fabricHeader]: message.header(fabricHeader),
          [receivedAtHeader]: message.header(receivedAtHeader),
          [batchHeader]: message.header(batchHeader),
          [attemptsHeader]: String(before + message.deliveries),
          [codeHeader]: code,
          [textHeader]: headerText(text),
        },
      });
      message.ack();
    },
    list: async ({ limit }) => (await letters.list({ fromSequence: 1, limit })).map(shown),
    replay: ({ ids }) =>
      forEach(ids, async (entry) => {
        const { [codeHeader]: _code, [textHeader]: _text, ...headers } = entry.headers;
        // Its own id may still be known as a repeat, which would lose it.
        const id = `replay:${entry.sequence}:${entry.headers[batchHeader] ?? ""}`;
        await queue.publish({ id, bytes: entry.bytes, headers });
        return letters.remove(entry.sequence);
      }),
    delete: ({ ids }) => forEach(ids, (entry) => letters.remove(entry.sequence)),
    count: async () => BigInt(await letters.count()),
  };
}

function shown({ sequence, headers, keptAt, bytes }: KeptEntry): DeadBatch {
  return {
    id: BigInt(sequence),
    fabricId: headers[fabricHeader] ?? "",
    gatewayId: headers[batchHeader]?.split(":")[1] ?? "",
    time: keptAt,
    code: headers[codeHeader] ?? "",
    message: headers[textHeader] ?? "",
    bytes: bytes.length,
    attempts: Number(headers[attemptsHeader]) || 0,
  };
}

/** Printable ASCII in one line: what a header takes. */
function headerText(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(0, textLength);
}

function unknown(id: bigint): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "DEAD_LETTER_UNKNOWN",
    message: `there is no dead letter ${id}; list them to see which there are`,
  });
}
