import { DrawbridgeError } from "@drawbridge/errors";
import {
  cryptoRandom,
  fullJitterDelayMs,
  retryWithBackoff,
  systemClock,
  type Clock,
  type Random,
} from "@drawbridge/lifecycle";
import { currentTraceparent, withSpan } from "@drawbridge/telemetry";
import { jetstream, jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { headers, type MsgHdrs, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { BusLogger } from "./bus-logger.ts";
import { internals, type Bus, type BusInternals } from "./bus.ts";
import { followConnection } from "./connection-status.ts";
import { eventHeaders, subjectHeader, traceparentHeader } from "./event-message.ts";
import { markerVersion, openKeyValue } from "./key-value.ts";
import { answerRequests, deliverMessages } from "./message-handling.ts";
import { assertServerVersion, canBeDurable, isAtLeast, parseServerVersion } from "./server-version.ts";
import type { ServiceName } from "./service-access.ts";
import { inboxPrefixOf, streamsOf } from "./service-permissions.ts";
import { ensureStream, standardStreams, streamOf } from "./stream.ts";
import { translateBusError } from "./translate-error.ts";
import { errorFromHeaders } from "./wire-error.ts";

export interface ConnectBusOptions {
  /** nats://host:port, or several with commas. */
  readonly url: string;
  /** "user:password", or a Secret of it. */
  readonly credentials?: string | { reveal(): string } | undefined;
  /** Of this replica; shown in the server's connection list. */
  readonly name: string;
  /**
   * Whose login this is. Its answers then arrive where nobody else may listen, and only its own streams are looked at.
   * Default: a program that may do everything, such as a test.
   */
  readonly service?: ServiceName;
  readonly logger: BusLogger;
  /** Refuse servers before 2.10, which can lose acknowledged events in a power cut. Default false: a warning. */
  readonly requireDurable?: boolean;
  /** Of streams that are created: 1, or 3 in a NATS cluster. */
  readonly streamReplicas?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

const publishTimeoutMs = 5_000;
const connectTimeoutMs = 5_000;
const reconnect = { baseMs: 100, capMs: 5_000, floorMs: 50 };

interface Connected extends BusInternals {
  readonly nc: NatsConnection;
}

/**
 * The connection to NATS. `start` waits, with backoff, until the server answers, checks its version, and makes the
 * streams; they are made again after a reconnect, should the server have lost them.
 */
export function connectBus(options: ConnectBusOptions): Bus {
  const { logger } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? cryptoRandom;
  let connected: Connected | undefined;
  let status: ReturnType<typeof followConnection> | undefined;

  /** The live connection, or BUS_UNAVAILABLE: never a queue in memory. */
  function live(): Connected {
    if (connected && status?.isConnected()) return connected;
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "BUS_UNAVAILABLE",
      message: connected ? "the message bus cannot be reached; try again" : "the message bus is not connected yet",
    });
  }

  async function open(): Promise<Connected> {
    const nc = await connect(connectionOptions(options, random));
    const version = parseServerVersion(nc.info?.version ?? "");
    try {
      assertServerVersion(version, options.requireDurable ? "durable" : "any");
      const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: publishTimeoutMs });
      const js = jetstream(nc, { timeout: publishTimeoutMs, checkAPI: false }); // asking for the account's usage is a right
      await ensureStreams(jsm, options);
      if (!canBeDurable(version)) {
        logger.warn({ server_version: version.text }, "message bus is older than 2.10, a power cut can lose events");
      }
      return { nc, js, jsm };
    } catch (error) {
      await nc.close().catch(() => undefined); // the first error is the one to report
      throw error;
    }
  }

  return {
    name: "bus",
    health: () => (status === undefined ? "the message bus has not been reached yet" : status.missing()),
    get serverVersion() {
      return connected?.nc.info?.version;
    },
    get maxMessageBytes() {
      return connected?.nc.info?.max_payload;
    },
    [internals]: (): BusInternals => live(),

    async start(signal) {
      let isWaiting = false;
      connected = await retryWithBackoff(
        open,
        {
          clock,
          random,
          onFailure: (error) => {
            const translated = translateBusError(error);
            if (translated.code === "BUS_SERVER_TOO_OLD") return "stop";
            if (!isWaiting) logger.warn({ err: translated }, "message bus does not answer, will retry");
            isWaiting = true;
            return "retry";
          },
        },
        signal,
      ).catch((error: unknown) => {
        signal.throwIfAborted();
        throw translateBusError(error);
      });
      const { nc, jsm } = connected;
      logger.info({ server_version: nc.info?.version }, "message bus connected");
      status = followConnection(nc, logger, clock, () => restoreStreams(jsm, options, logger));
    },

    async stop(deadline) {
      if (!connected || connected.nc.isClosed()) return;
      const { nc } = connected;
      status?.closing();
      const abort = (): void => void nc.close();
      deadline.addEventListener("abort", abort, { once: true });
      // Without a connection there is nobody to say goodbye to.
      await (status?.isConnected() ? nc.drain() : nc.close()).catch(() => undefined);
      deadline.removeEventListener("abort", abort);
    },

    async publishEvent(event) {
      const { js } = live();
      const stream = streamOf(event.type);
      if (stream === undefined) throw unknownStream(event.type);
      const subject = `drawbridge.${event.type}.${event.scope}`;
      await withSpan(
        `publish ${event.type}`,
        { "messaging.system": "nats", "messaging.destination.name": stream, "messaging.message.id": event.id },
        () =>
          translated(() =>
            js.publish(subject, event.payloadJson, {
              msgID: event.id,
              timeout: publishTimeoutMs,
              headers: eventHeaders(event, currentTraceparent() || event.traceparent),
              expect: { streamName: stream },
            }),
          ),
        { parent: event.traceparent, kind: "producer" },
      );
    },

    async broadcast(subject, data) {
      const { nc } = live();
      await translated(async () => {
        nc.publish(subject, data, { headers: messageHeaders(subject) });
        await nc.flush();
      });
    },

    subscribe: (subject, handle, subscribeOptions) =>
      deliverMessages(live().nc, subject, handle, logger, subscribeOptions?.queue),

    async request(subject, data, { timeoutMs }) {
      const { nc } = live();
      const answer = await translated(() =>
        nc.request(subject, data, { timeout: timeoutMs, headers: messageHeaders(subject) }),
      );
      const error = errorFromHeaders(answer.headers);
      if (error) throw error;
      return answer.data;
    },

    respond: (subject, handle, subscribeOptions) =>
      answerRequests(live().nc, subject, handle, logger, subscribeOptions?.queue),

    kv: async (bucket, kvOptions) => {
      const { js, nc } = live();
      const hasMarkers = isAtLeast(parseServerVersion(nc.info?.version ?? ""), markerVersion);
      return openKeyValue(js, bucket, { ...kvOptions, hasMarkers }, logger);
    },

    ensureStream: async (spec) => {
      const { jsm } = live();
      await translated(() => ensureStream(jsm, spec));
    },
  };
}

function connectionOptions(options: ConnectBusOptions, random: Random): Parameters<typeof connect>[0] {
  const secret = typeof options.credentials === "string" ? options.credentials : options.credentials?.reveal();
  const colon = secret?.indexOf(":") ?? -1;
  let attempt = 0;
  const servers = options.url.split(",");
  return {
    servers,
    // Asked for TLS means TLS: without this the client takes what the server offers, and says the password in the clear.
    ...(servers.some((server) => server.trim().startsWith("tls://")) ? { tls: {} } : {}),
    name: options.name,
    ...(options.service === undefined ? {} : { inboxPrefix: inboxPrefixOf(options.service) }),
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // a password that is being rotated must not end the connection for good
    pingInterval: 10_000,
    maxPingOut: 2,
    noAsyncTraces: true, // else every request makes two errors in advance, with their stacks
    reconnectDelayHandler: () => fullJitterDelayMs({ ...reconnect, attempt: attempt++ % 12, random }),
    ...(secret === undefined || colon < 0 ? {} : { user: secret.slice(0, colon), pass: secret.slice(colon + 1) }),
  };
}

async function ensureStreams(
  jsm: JetStreamManager,
  { service, streamReplicas: replicas }: Pick<ConnectBusOptions, "service" | "streamReplicas">,
): Promise<void> {
  const used = service === undefined ? undefined : streamsOf(service);
  for (const spec of standardStreams) {
    if (used && !used.includes(spec.name)) continue;
    await ensureStream(jsm, { ...spec, ...(replicas === undefined ? {} : { replicas }) });
  }
}

async function restoreStreams(jsm: JetStreamManager, options: ConnectBusOptions, logger: BusLogger): Promise<void> {
  try {
    await ensureStreams(jsm, options);
  } catch (error) {
    logger.warn({ err: translateBusError(error) }, "streams could not be checked");
  }
}

function messageHeaders(subject: string): MsgHdrs {
  const result = headers();
  result.set(subjectHeader, subject);
  const traceparent = currentTraceparent();
  if (traceparent !== "") result.set(traceparentHeader, traceparent);
  return result;
}

function unknownStream(type: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "BUS_NO_STREAM",
    message: `no stream takes events of type ${type}`,
  });
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translateBusError(error);
  }
}
