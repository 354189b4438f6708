import { DrawbridgeError } from "@drawbridge/errors";
import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { internals, type Bus } from "./bus.ts";
import { subjectHeader } from "./event-message.ts";
import { queueStreams, type QueueName } from "./stream.ts";
import { translateBusError } from "./translate-error.ts";

/** Bytes as a queue takes them. */
export interface QueueEntry {
  readonly bytes: Uint8Array;
  /** Names these bytes: what has an id of the last 10 minutes is acknowledged and dropped. */
  readonly id: string;
  /** What the bytes do not say themselves; names and values are plain ASCII. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface QueueUsage {
  readonly messages: number;
  readonly bytes: number;
  /** What it may hold; undefined without a bound. */
  readonly maxBytes: number | undefined;
}

/** Where bytes wait, on the disk of the server, until they are worked off. */
export interface WorkQueue {
  /**
   * Resolves when the server has the bytes: they outlive it then, and a power cut if it syncs (`sync_interval: always`).
   * @throws DrawbridgeError `BUS_FULL` (resource_exhausted) | `BUS_MESSAGE_TOO_LARGE` (invalid_argument) | `BUS_UNAVAILABLE` | `BUS_TIMEOUT`
   */
  publish(entry: QueueEntry): Promise<{ readonly duplicate: boolean }>;
  usage(): Promise<QueueUsage>;
}

const publishTimeoutMs = 5_000;
/** For the headers of an entry, which count with its bytes. */
const headerRoomBytes = 1_024;

export function openWorkQueue(bus: Bus, queue: QueueName): WorkQueue {
  const { subject } = queueStreams[queue];
  const together = createTurn();
  return {
    publish: (entry) => together(() => publishTo(bus, { stream: queue, subject }, entry)),
    usage: async () => {
      try {
        const { state, config } = await bus[internals]().jsm.streams.info(queue);
        const maxBytes = config.max_bytes > 0 ? config.max_bytes : undefined;
        return { messages: state.messages, bytes: state.bytes, maxBytes };
      } catch (error) {
        throw translateBusError(error);
      }
    },
  };
}

/**
 * What is to be sent in one turn of the event loop is sent at its end, in one write: a write of its own for each is the largest
 * part of what it costs to publish.
 */
function createTurn(): <Result>(send: () => Promise<Result>) => Promise<Result> {
  let waiting: (() => void)[] = [];
  function sendAll(): void {
    const all = waiting;
    waiting = [];
    for (const send of all) send();
  }
  return (send) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(sendAll);
      waiting.push(() => void send().then(resolve, reject));
    });
}

/** Also for dead letters, which are kept in the same form. */
export async function publishTo(
  bus: Bus,
  to: { readonly stream: string; readonly subject: string },
  { bytes, id, headers: given }: QueueEntry,
): Promise<{ readonly duplicate: boolean }> {
  if (bytes.length > (bus.maxMessageBytes ?? Infinity) - headerRoomBytes) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "BUS_MESSAGE_TOO_LARGE",
      message: "the message is too large",
    });
  }
  try {
    const { duplicate } = await bus[internals]().js.publish(to.subject, bytes, {
      msgID: id,
      timeout: publishTimeoutMs,
      headers: entryHeaders(to.subject, given),
      expect: { streamName: to.stream },
    });
    return { duplicate };
  } catch (error) {
    throw translateBusError(error);
  }
}

function entryHeaders(subject: string, given: Readonly<Record<string, string>>): MsgHdrs {
  const result = headers();
  result.set(subjectHeader, subject);
  for (const [name, value] of Object.entries(given)) result.set(name, value);
  return result;
}
