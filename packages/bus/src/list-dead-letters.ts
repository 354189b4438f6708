import type { StoredMsg } from "@nats-io/jetstream";
import { internals, type Bus } from "./bus.ts";
import { deadLetterHeaders } from "./dead-letter.ts";
import { deadStreamName } from "./stream.ts";
import { translateBusError } from "./translate-error.ts";

/** An event that a consumer could not handle. */
export interface DeadLetter {
  readonly sequence: number;
  /** The durable that gave it up. */
  readonly consumer: string;
  /** Code of the error. */
  readonly reason: string;
  /** Where the event came from: its type and scope, and its place in its stream. */
  readonly originalSubject: string;
  readonly originalSequence: number;
  readonly deliveries: number;
  readonly storedAt: Date;
  /** As it was received. */
  readonly data: Uint8Array;
}

/** The newest dead letters, newest first. */
export async function listDeadLetters(bus: Bus, limit: number): Promise<readonly DeadLetter[]> {
  const { jsm } = bus[internals]();
  try {
    const { state } = await jsm.streams.info(deadStreamName);
    const letters: DeadLetter[] = [];
    for (let seq = state.last_seq; seq >= Math.max(state.first_seq, 1) && letters.length < limit; seq -= 1) {
      const message = await jsm.streams.getMessage(deadStreamName, { seq });
      if (message) letters.push(letterFrom(message)); // null: removed in between
    }
    return letters;
  } catch (error) {
    throw translateBusError(error);
  }
}

function letterFrom(message: StoredMsg): DeadLetter {
  const header = (name: string): string => message.header?.get(name) ?? "";
  return {
    sequence: message.seq,
    consumer: header(deadLetterHeaders.consumer),
    reason: header(deadLetterHeaders.reason),
    originalSubject: header(deadLetterHeaders.subject),
    originalSequence: Number(header(deadLetterHeaders.sequence)),
    deliveries: Number(header(deadLetterHeaders.deliveries)),
    storedAt: message.time,
    data: message.data,
  };
}
