import { eventCodecs, type EventEnvelope, type EventPayload, type EventType } from "@drawbridge/contracts";
import { DrawbridgeError } from "@drawbridge/errors";
import { headers, type MsgHdrs } from "@nats-io/nats-core";

/** A fact on its way to the stream; the payload is protobuf JSON. What `@drawbridge/store`'s relay hands out. */
export interface OutgoingEvent {
  readonly id: string;
  readonly type: string;
  readonly scope: string;
  readonly occurredAt: Date;
  readonly traceparent: string;
  readonly payloadJson: string;
}

export const messageIdHeader = "Nats-Msg-Id";
export const traceparentHeader = "traceparent";
export const occurredAtHeader = "Drawbridge-Occurred-At";
/** The subject that the sender spoke on: a message that arrives on another one is not believed. */
export const subjectHeader = "Drawbridge-Subject";
const subjectPrefix = "drawbridge.";

export function eventHeaders(event: OutgoingEvent, traceparent: string): MsgHdrs {
  const result = headers();
  result.set("Content-Type", "application/json");
  result.set(occurredAtHeader, event.occurredAt.toISOString());
  result.set(subjectHeader, `${subjectPrefix}${event.type}.${event.scope}`);
  if (traceparent !== "") result.set(traceparentHeader, traceparent);
  return result;
}

export interface IncomingMessage {
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

/** `drawbridge.<type>.<scope>`: the scope is the last token. */
export function parseEventSubject(subject: string): { readonly type: string; readonly scope: string } {
  const lastDot = subject.lastIndexOf(".");
  return { type: subject.slice(subjectPrefix.length, lastDot), scope: subject.slice(lastDot + 1) };
}

/**
 * The event in a message of a stream.
 * @throws DrawbridgeError `EVENT_MALFORMED` (invalid_argument): it will be malformed the next time, too.
 */
export function decodeEvent(message: IncomingMessage): EventEnvelope {
  const { type, scope } = parseEventSubject(message.subject);
  if (!isEventType(type)) throw malformed("its type is unknown");
  if (message.headers?.get(subjectHeader) !== message.subject) throw malformed("it was not sent to this subject");
  const id = message.headers?.get(messageIdHeader) ?? "";
  if (id === "") throw malformed("it has no id");
  const occurredAt = new Date(message.headers?.get(occurredAtHeader) ?? "");
  if (Number.isNaN(occurredAt.getTime())) throw malformed("it does not say when it occurred");
  return {
    id,
    type,
    scope,
    occurredAt,
    traceparent: message.headers?.get(traceparentHeader) ?? "",
    payload: decodePayload(type, message.data),
  };
}

function decodePayload(type: EventType, data: Uint8Array): EventPayload<EventType> {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
    if (typeof json !== "object" || json === null) throw malformed("its payload is no object");
    return eventCodecs[type].fromJSON(json);
  } catch (cause) {
    throw malformed("its payload cannot be read", cause);
  }
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventCodecs, type);
}

function malformed(reason: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "EVENT_MALFORMED",
    message: `the event is malformed: ${reason}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
