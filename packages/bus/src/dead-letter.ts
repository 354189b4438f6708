import type { JetStreamClient, JsMsg } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import { occurredAtHeader, parseEventSubject, traceparentHeader } from "./event-message.ts";
import { deadStreamName } from "./stream.ts";

/** Where a dead letter says what happened. */
export const deadLetterHeaders = {
  consumer: "Drawbridge-Dead-Consumer",
  reason: "Drawbridge-Dead-Reason",
  subject: "Drawbridge-Dead-Subject",
  sequence: "Drawbridge-Dead-Sequence",
  deliveries: "Drawbridge-Dead-Deliveries",
} as const;

/**
 * Keep a copy of an event that `consumer` cannot handle, on `drawbridge.dead.<consumer>.<domain>.<scope>`, unchanged and
 * with the reason. Once per consumer and event, however often it is tried.
 */
export async function publishDeadLetter(
  js: JetStreamClient,
  message: JsMsg,
  facts: { readonly consumer: string; readonly reason: string },
): Promise<void> {
  const { type, scope } = parseEventSubject(message.subject);
  const domain = type.split(".")[0] ?? "unknown";
  const copy = headers();
  for (const name of [occurredAtHeader, traceparentHeader]) {
    const value = message.headers?.get(name) ?? "";
    if (value !== "") copy.set(name, value);
  }
  copy.set(deadLetterHeaders.consumer, facts.consumer);
  copy.set(deadLetterHeaders.reason, facts.reason);
  copy.set(deadLetterHeaders.subject, message.subject);
  copy.set(deadLetterHeaders.sequence, String(message.seq));
  copy.set(deadLetterHeaders.deliveries, String(message.info.deliveryCount));
  await js.publish(`drawbridge.dead.${facts.consumer}.${domain}.${scope}`, message.data, {
    msgID: `${facts.consumer}:${message.info.stream}:${message.seq}`,
    headers: copy,
    expect: { streamName: deadStreamName },
  });
}
