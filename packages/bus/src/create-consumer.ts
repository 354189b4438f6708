import type { EventEnvelope, EventType } from "@drawbridge/contracts";
import { cryptoRandom, retryWithBackoff, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { BusLogger } from "./bus-logger.ts";
import { internals, type Bus } from "./bus.ts";
import { ackWaitMs, ensureDurable } from "./durable.ts";
import { handleMessage } from "./handle-message.ts";
import { createScopeLanes } from "./scope-lanes.ts";
import { parseEventSubject } from "./event-message.ts";
import { translateBusError } from "./translate-error.ts";

export interface ConsumerOptions<T extends EventType> {
  readonly bus: Bus;
  /** Of the events' domain, such as "RUNTIME". */
  readonly stream: string;
  /** Name of the service; all its replicas share the work. Lower case, digits, `-`, `_`. */
  readonly durable: string;
  readonly types: readonly T[];
  /**
   * Called once per delivery; the event is acknowledged when it resolves. Deliveries repeat: use `consumeOnce` in the
   * transaction of the effect. `signal` aborts when the process must stop.
   */
  readonly handle: (event: EventEnvelope<T>, signal: AbortSignal) => Promise<void>;
  readonly logger: BusLogger;
  readonly clock: Clock;
  readonly random?: Random;
  /** Events of different scopes handled side by side. Default 16. */
  readonly maxInFlight?: number;
}

/**
 * A durable pull consumer. Within a process, events of one scope (fabric) are handled in order; redelivery and other
 * replicas can still reorder them, so that handlers compare generations. Missing streams and consumers are waited for
 * and made again.
 */
export function createConsumer<T extends EventType>(options: ConsumerOptions<T>): Component {
  const { bus, logger, clock } = options;
  const random = options.random ?? cryptoRandom;
  const stopping = new AbortController();
  const abandoning = new AbortController();
  const lanes = createScopeLanes(options.maxInFlight ?? 16);
  const types: ReadonlySet<string> = new Set(options.types);
  let messages: ConsumerMessages | undefined;
  let running: Promise<void> = Promise.resolve();

  async function open(): Promise<ConsumerMessages> {
    const { js, jsm } = bus[internals]();
    await ensureDurable(jsm, options, bus.serverVersion ?? "");
    const consumer = await js.consumers.get(options.stream, options.durable);
    return consumer.consume({
      max_messages: 2 * (options.maxInFlight ?? 16),
      idle_heartbeat: 5_000,
      abort_on_missing_resource: true,
    });
  }

  async function run(): Promise<void> {
    let isAway = false;
    while (!stopping.signal.aborted) {
      try {
        messages = await open();
        if (isAway) logger.info({ stream: options.stream, durable: options.durable }, "events are consumed again");
        isAway = false;
        await readAll(messages);
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (!isAway) {
          const err = translateBusError(error);
          logger.warn(
            { err, stream: options.stream, durable: options.durable },
            "events cannot be consumed, will retry",
          );
        }
        isAway = true;
      }
      await clock.sleep(250 + random.next() * 750, stopping.signal).catch(() => undefined); // stopping
    }
  }

  async function readAll(source: ConsumerMessages): Promise<void> {
    if (stopping.signal.aborted) void source.close(); // it ends by being read: awaiting it here would wait for ever
    for await (const message of source) {
      const { type, scope } = parseEventSubject(message.subject);
      if (!types.has(type)) {
        message.ack(); // servers before 2.10 cannot filter by several types
        continue;
      }
      await lanes.add(scope, () => process(message));
    }
  }

  async function process(message: JsMsg): Promise<void> {
    if (abandoning.signal.aborted) return message.nak();
    await handleMessage(message, {
      ...options,
      random,
      ackWaitMs,
      js: () => bus[internals]().js,
      // `types` decides what arrives here, so that the event is one of T.
      handle: (event, signal) => options.handle(event as EventEnvelope<T>, signal),
      signal: abandoning.signal,
    });
  }

  return {
    name: `consumer ${options.durable} of ${options.stream}`,
    async start(signal) {
      // The durable exists before start resolves: nothing announced from now on is missed.
      let isWaiting = false;
      await retryWithBackoff(
        () => ensureDurable(bus[internals]().jsm, options, bus.serverVersion ?? ""),
        {
          clock,
          random,
          onFailure: (error) => {
            const err = translateBusError(error);
            const { stream, durable } = options;
            if (!isWaiting) logger.warn({ err, stream, durable }, "events cannot be consumed yet, will retry");
            isWaiting = true;
            return "retry";
          },
        },
        signal,
      );
      running = run();
    },
    async stop(deadline) {
      stopping.abort(new Error("consumer is stopping"));
      deadline.addEventListener("abort", () => abandoning.abort(deadline.reason), { once: true });
      await messages?.close();
      await running;
      await lanes.idle();
    },
  };
}
