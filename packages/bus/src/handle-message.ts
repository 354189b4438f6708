import type { EventEnvelope } from "@drawbridge/contracts";
import type { Clock, Random } from "@drawbridge/lifecycle";
import { withSpan } from "@drawbridge/telemetry";
import type { JetStreamClient, JsMsg } from "@nats-io/jetstream";
import type { BusLogger } from "./bus-logger.ts";
import { publishDeadLetter } from "./dead-letter.ts";
import { decodeEvent, parseEventSubject, traceparentHeader } from "./event-message.ts";
import { translateBusError } from "./translate-error.ts";
import { judgeFailure } from "./verdict.ts";

export interface HandleMessageDeps {
  readonly stream: string;
  readonly durable: string;
  readonly js: () => JetStreamClient;
  readonly handle: (event: EventEnvelope, signal: AbortSignal) => Promise<void>;
  readonly logger: BusLogger;
  readonly clock: Clock;
  readonly random: Random;
  readonly ackWaitMs: number;
  readonly signal: AbortSignal;
}

/**
 * One delivery: handle, then acknowledge; on failure deliver again later, or move it to the dead letters. Never rejects.
 * An acknowledgement that is lost means another delivery, which the inbox recognises.
 */
export async function handleMessage(message: JsMsg, deps: HandleMessageDeps): Promise<void> {
  const { type } = parseEventSubject(message.subject);
  const settled = new AbortController();
  void sayInWork(message, deps, settled.signal);
  try {
    await withSpan(
      `handle ${type}`,
      { "messaging.system": "nats", "messaging.consumer.group.name": deps.durable },
      async () => deps.handle(decodeEvent(message), deps.signal),
      { parent: message.headers?.get(traceparentHeader) ?? "", kind: "consumer" },
    );
    message.ack();
  } catch (error) {
    await settleFailure(message, error, deps);
  } finally {
    settled.abort();
  }
}

async function settleFailure(message: JsMsg, error: unknown, deps: HandleMessageDeps): Promise<void> {
  const { stream, durable, logger } = deps;
  const facts = {
    err: error,
    stream,
    durable,
    subject: message.subject,
    sequence: message.seq,
    deliveries: message.info.deliveryCount,
  };
  if (deps.signal.aborted) {
    message.nak();
    return;
  }
  const verdict = judgeFailure(error, message.info.deliveryCount, deps.random);
  if (verdict.verdict === "again") {
    logger.warn({ ...facts, delayMs: verdict.delayMs }, "event not handled, will retry");
    message.nak(verdict.delayMs);
    return;
  }
  try {
    await publishDeadLetter(deps.js(), message, { consumer: durable, reason: verdict.reason });
  } catch (publishError) {
    logger.warn({ ...facts, err: translateBusError(publishError) }, "dead letter not stored, will retry");
    message.nak(5_000);
    return;
  }
  logger.error(facts, "event moved to the dead letters");
  message.term(verdict.reason);
}

/** Long work must not look like a dead consumer. */
async function sayInWork(message: JsMsg, deps: HandleMessageDeps, settled: AbortSignal): Promise<void> {
  const intervalMs = deps.ackWaitMs / 3;
  try {
    for (;;) {
      await deps.clock.sleep(intervalMs, settled);
      message.working();
    }
  } catch {
    // settled
  }
}
