import { eventSubject, type EventEnvelope, type EventType } from "@drawbridge/contracts";
import { internals, type Bus } from "./bus.ts";
import { decodeEvent } from "./event-message.ts";
import { getNext } from "./get-next.ts";
import { streamOf } from "./stream.ts";
import { translateBusError } from "./translate-error.ts";

export interface EventScan<T extends EventType> {
  /** In order. What is no event of this type is left out. */
  readonly events: readonly EventEnvelope<T>[];
  /** Where the next scan goes on. */
  readonly nextSequence: number;
}

/**
 * Look up events of one type in their stream, message by message, from a place on (1: the oldest that is kept). For facts
 * that every replica needs, after each start again, and that are few.
 */
export async function scanEvents<T extends EventType>(bus: Bus, type: T, fromSequence: number): Promise<EventScan<T>> {
  const { jsm } = bus[internals]();
  const at = { stream: streamOf(type), subject: eventSubject(type, "*") };
  const events: EventEnvelope<T>[] = [];
  let from = fromSequence;
  try {
    for (let found = await getNext(jsm, { ...at, from }); found !== null; found = await getNext(jsm, { ...at, from })) {
      from = found.seq + 1;
      const event = readEvent(found.subject, found.header, found.data);
      if (event?.type === type) events.push(event as EventEnvelope<T>); // its type says so
    }
  } catch (error) {
    throw translateBusError(error);
  }
  return { events, nextSequence: from };
}

function readEvent(...[subject, headers, data]: [string, Parameters<typeof decodeEvent>[0]["headers"], Uint8Array]) {
  try {
    return decodeEvent({ subject, headers, data });
  } catch {
    return undefined; // the owner's consumers complain of it
  }
}
