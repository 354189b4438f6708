import type { Component, HealthCheck } from "@drawbridge/lifecycle";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { OutgoingEvent } from "./event-message.ts";
import type { KeyValue, KeyValueOptions } from "./key-value.ts";
import type { StreamSpec } from "./stream.ts";

/** For the modules of this package; nobody else sees NATS' types. */
export const internals = Symbol("internals of the bus");

export interface BusInternals {
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

export interface Subscription {
  /** Resolves when the server knows of the subscription: what is sent from then on arrives. */
  readonly ready: Promise<void>;
  /** No more messages; resolves when the handlers under way are done. */
  close(): Promise<void>;
}

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

export interface SubscribeOptions {
  /** Of all subscribers with the same queue name, one gets each message. */
  readonly queue?: string;
}

/**
 * The connection to NATS. Everything rejects with BUS_UNAVAILABLE at once while there is no connection: what must not
 * be lost waits in the outbox, not in a client's memory. Subscriptions and consumers survive reconnects.
 */
export interface Bus extends Component {
  /**
   * Store an event in the stream of its domain; resolves when the stream has acknowledged it. An id that the stream has
   * seen in the last 10 minutes is acknowledged and dropped. Only outbox relays call this.
   */
  publishEvent(event: OutgoingEvent): Promise<void>;
  /** Tell whoever listens now; at most once. Resolves when the server has it. */
  broadcast(subject: string, data: Uint8Array): Promise<void>;
  /** `handle` is called for each message, several at a time. What it throws is logged. */
  subscribe(
    subject: string,
    handle: (message: BusMessage) => void | Promise<void>,
    options?: SubscribeOptions,
  ): Subscription;
  /**
   * @throws DrawbridgeError what the responder threw, or `BUS_NO_RESPONDER` | `BUS_UNAVAILABLE` (unavailable), `BUS_TIMEOUT` (deadline_exceeded)
   */
  request(subject: string, data: Uint8Array, options: { readonly timeoutMs: number }): Promise<Uint8Array>;
  /** Answer requests; a DrawbridgeError of `handle` reaches the asker, of anything else only "internal". */
  respond(
    subject: string,
    handle: (message: BusMessage) => Promise<Uint8Array>,
    options?: SubscribeOptions,
  ): Subscription;
  /** A bucket, created when missing. */
  kv(bucket: string, options?: KeyValueOptions): Promise<KeyValue>;
  ensureStream(spec: StreamSpec): Promise<void>;
  readonly health: HealthCheck;
  /** Of the server that we are connected to; undefined before the start. */
  readonly serverVersion: string | undefined;
  /** Largest message that it takes, headers included; undefined before the start. */
  readonly maxMessageBytes: number | undefined;
  [internals](): BusInternals;
}
