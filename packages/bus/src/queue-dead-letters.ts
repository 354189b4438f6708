import type { StoredMsg } from "@nats-io/jetstream";
import { internals, type Bus } from "./bus.ts";
import { messageIdHeader, subjectHeader } from "./event-message.ts";
import { getNext } from "./get-next.ts";
import { queueStreams, type QueueName } from "./stream.ts";
import { translateBusError } from "./translate-error.ts";
import { publishTo, type QueueEntry } from "./work-queue.ts";

/** What a queue's consumer gave up, as it was received. */
export interface KeptEntry extends QueueEntry {
  readonly sequence: number;
  readonly keptAt: Date;
}

/** The dead letters of a queue: kept for 30 days, for people to look at. */
export interface QueueDeadLetters {
  /** Resolves when the server has it; the same id once in 10 minutes. */
  keep(entry: QueueEntry): Promise<void>;
  /** Oldest first, from a place in the stream on. */
  list(options: { readonly fromSequence: number; readonly limit: number }): Promise<readonly KeptEntry[]>;
  find(sequence: number): Promise<KeptEntry | undefined>;
  /** False if it is not there. */
  remove(sequence: number): Promise<boolean>;
  count(): Promise<number>;
}

export function openQueueDeadLetters(bus: Bus, queue: QueueName): QueueDeadLetters {
  const { deadStream, deadSubject } = queueStreams[queue];

  async function next(sequence: number): Promise<KeptEntry | undefined> {
    const found = await getNext(bus[internals]().jsm, { stream: deadStream, subject: deadSubject, from: sequence });
    return found === null ? undefined : entryFrom(found);
  }

  return {
    keep: async (entry) => {
      await publishTo(bus, { stream: deadStream, subject: deadSubject }, entry);
    },
    list: ({ fromSequence, limit }) =>
      translated(async () => {
        const entries: KeptEntry[] = [];
        for (let from = Math.max(fromSequence, 1); entries.length < limit;) {
          const entry = await next(from);
          if (entry === undefined) break;
          entries.push(entry);
          from = entry.sequence + 1;
        }
        return entries;
      }),
    find: (sequence) =>
      translated(async () => {
        const entry = await next(sequence);
        return entry?.sequence === sequence ? entry : undefined;
      }),
    remove: (sequence) =>
      translated(async () => {
        const { jsm } = bus[internals]();
        const entry = await next(sequence);
        return entry?.sequence === sequence && (await jsm.streams.deleteMessage(deadStream, sequence, false));
      }),
    count: () => translated(async () => (await bus[internals]().jsm.streams.info(deadStream)).state.messages),
  };
}

function entryFrom(message: StoredMsg): KeptEntry {
  const headers: Record<string, string> = {};
  for (const name of message.header.keys()) headers[name] = message.header.get(name);
  const { [messageIdHeader]: id = "", [subjectHeader]: _subject, "Nats-Expected-Stream": _expected, ...rest } = headers;
  return { bytes: message.data, id, headers: rest, sequence: message.seq, keptAt: message.time };
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translateBusError(error);
  }
}
