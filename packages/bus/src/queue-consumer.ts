import { cryptoRandom, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { BusLogger } from "./bus-logger.ts";
import { internals, type Bus } from "./bus.ts";
import { ensureQueueDurable } from "./durable.ts";
import { messageIdHeader, subjectHeader } from "./event-message.ts";
import { queueStreams, type QueueName } from "./stream.ts";
import { translateBusError } from "./translate-error.ts";

/** One delivery. It counts until `ack`; what is not acknowledged within a minute, nor said to be in work, comes again. */
export interface QueueMessage {
  readonly bytes: Uint8Array;
  /** The id that it was published with. */
  readonly id: string;
  /** Place in the queue; grows, with holes. */
  readonly sequence: number;
  /** 1 the first time. */
  readonly deliveries: number;
  readonly storedAt: Date;
  /** As published; empty where there is none. */
  header(name: string): string;
  /** Done: it leaves the queue. An acknowledgement that is lost means another delivery. */
  ack(): void;
  /** Still at it: another minute. */
  inProgress(): void;
  /** Not now: again after so long. */
  retry(delayMs: number): void;
}

export interface QueueConsumerOptions {
  readonly bus: Bus;
  readonly queue: QueueName;
  /** Name of the service; its replicas share the work. */
  readonly durable: string;
  /**
   * Called in order of arrival; the next message comes when it has resolved, so whoever has enough in hand makes it wait. It
   * does not reject. What it took may be acknowledged at any time later.
   */
  readonly handle: (message: QueueMessage) => void | Promise<void>;
  /** Bytes that the server sends ahead. Default 8 MiB: with much more a server gives up on a client as too slow. */
  readonly maxBytes?: number;
  /** What is not acknowledged within this time comes again; of a durable that is made here. Default a minute. */
  readonly ackWaitMs?: number;
  readonly logger: BusLogger;
  readonly clock: Clock;
  readonly random?: Random;
}

const defaultMaxBytes = 8 * 1024 * 1024;

/** Works off a queue with its durable; waits for what is missing, and goes on by itself after every outage. */
export function createQueueConsumer(options: QueueConsumerOptions): Component {
  const { bus, logger, clock, queue, durable } = options;
  const random = options.random ?? cryptoRandom;
  const stopping = new AbortController();
  let messages: ConsumerMessages | undefined;
  let running: Promise<void> = Promise.resolve();

  async function open(): Promise<ConsumerMessages> {
    const { js, jsm } = bus[internals]();
    await ensureQueueDurable(jsm, queue, durable, options.ackWaitMs);
    const consumer = await js.consumers.get(queue, durable);
    return consumer.consume({
      max_bytes: options.maxBytes ?? defaultMaxBytes,
      idle_heartbeat: 5_000,
      abort_on_missing_resource: true,
    });
  }

  async function run(): Promise<void> {
    let isAway = false;
    while (!stopping.signal.aborted) {
      try {
        messages = await open();
        if (isAway) logger.info({ queue }, "the queue is worked off again");
        isAway = false;
        await readAll(messages);
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (!isAway)
          logger.warn({ err: translateBusError(error), queue }, "the queue cannot be worked off, will retry");
        isAway = true;
      }
      await clock.sleep(250 + random.next() * 750, stopping.signal).catch(() => undefined); // stopping
    }
  }

  async function readAll(source: ConsumerMessages): Promise<void> {
    if (stopping.signal.aborted) void source.close(); // it ends by being read: awaiting it here would wait for ever
    for await (const message of source) {
      if (stopping.signal.aborted) message.nak();
      else if (isMeant(message)) await options.handle(queueMessage(message));
    }
  }

  /** Who may ask the server for a message may name this queue for the answer: that is none of ours. */
  function isMeant(message: JsMsg): boolean {
    if (message.headers?.get(subjectHeader) === queueStreams[queue].subject) return true;
    logger.warn({ queue, sequence: message.seq }, "a message that was not sent to this queue is dropped");
    message.term();
    return false;
  }

  return {
    name: `consumer of queue ${queue}`,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("consumer is stopping"));
      void messages?.close(); // it ends when what it has was read
      await running;
    },
  };
}

function queueMessage(message: JsMsg): QueueMessage {
  const header = (name: string): string => message.headers?.get(name) ?? "";
  return {
    bytes: message.data,
    id: header(messageIdHeader),
    sequence: message.seq,
    deliveries: message.info.deliveryCount,
    storedAt: message.time,
    header,
    ack: () => message.ack(),
    inProgress: () => message.working(),
    retry: (delayMs) => message.nak(delayMs),
  };
}
