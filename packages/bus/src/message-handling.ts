import { withSpan } from "@drawbridge/telemetry";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import type { BusLogger } from "./bus-logger.ts";
import type { BusMessage, Subscription } from "./bus.ts";
import { matchesSubject } from "./matches-subject.ts";
import { subjectHeader, traceparentHeader } from "./event-message.ts";
import { translateBusError } from "./translate-error.ts";
import { errorHeaders } from "./wire-error.ts";

/** So many messages of one subscription are handled at a time; the next ones wait in the client. */
const maxInFlight = 256;

export function deliverMessages(
  nc: NatsConnection,
  subject: string,
  handle: (message: BusMessage) => void | Promise<void>,
  logger: BusLogger,
  queue: string | undefined,
): Subscription {
  return forEachMessage({ nc, subject, queue, logger }, async (message) => {
    try {
      await inSpan(message, "receive", async () => handle({ subject: message.subject, data: message.data }));
    } catch (error) {
      logger.error({ err: error, subject: message.subject }, "handling a message failed");
    }
  });
}

export function answerRequests(
  nc: NatsConnection,
  subject: string,
  handle: (message: BusMessage) => Promise<Uint8Array>,
  logger: BusLogger,
  queue: string | undefined,
): Subscription {
  return forEachMessage({ nc, subject, queue, logger }, async (message) => {
    try {
      message.respond(await inSpan(message, "respond", () => handle({ subject: message.subject, data: message.data })));
    } catch (error) {
      logger.warn({ err: error, subject: message.subject }, "a request failed");
      message.respond(new Uint8Array(), { headers: errorHeaders(error) });
    }
  });
}

interface Listening {
  readonly nc: NatsConnection;
  readonly subject: string;
  readonly queue: string | undefined;
  readonly logger: BusLogger;
}

/** `work` never rejects. What was not sent to this subject is dropped. */
function forEachMessage(
  { nc, subject, queue, logger }: Listening,
  work: (message: Msg) => Promise<void>,
): Subscription {
  const subscription = nc.subscribe(subject, queue === undefined ? {} : { queue });
  const inFlight = new Set<Promise<void>>();
  async function run(): Promise<void> {
    for await (const message of subscription) {
      if (!isMeantFor(subject, message)) {
        logger.warn({ subject: message.subject }, "a message that was not sent to this subject is dropped");
        continue;
      }
      const task = work(message).finally(() => inFlight.delete(task));
      inFlight.add(task);
      if (inFlight.size >= maxInFlight) await Promise.race(inFlight);
    }
  }
  const done = run().catch((error: unknown) => {
    logger.error({ err: translateBusError(error), subject }, "the message bus ended a subscription");
  });
  return {
    // After an outage in between, the client subscribes again by itself.
    ready: nc.flush().catch(() => undefined),
    close: async () => {
      subscription.unsubscribe();
      await done;
      await Promise.all(inFlight);
    },
  };
}

/**
 * Who may ask the server for a message may name any subject for the answer, also one that he may not publish to. Such an
 * answer keeps the subject that it was stored under, or does not say where it was sent to.
 */
function isMeantFor(pattern: string, { subject, headers }: Pick<Msg, "subject" | "headers">): boolean {
  return headers?.get(subjectHeader) === subject && matchesSubject(pattern, subject);
}

/** Subjects can end in ids: the span is named after what precedes them. */
function inSpan<T>(message: Msg, verb: string, work: () => Promise<T>): Promise<T> {
  const place = message.subject.split(".").slice(0, 2).join(".");
  return withSpan(`${verb} ${place}`, { "messaging.system": "nats" }, work, {
    parent: message.headers?.get(traceparentHeader) ?? "",
    kind: verb === "respond" ? "server" : "consumer",
  });
}
