import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";

/** All that the collector says: what it is and what its clock shows. */
export interface CheckInMessage {
  readonly version: string;
  /** New with each start. */
  readonly bootId: string;
  readonly time: string;
}

/**
 * Data class of every field that leaves (drawbridge.options.v1.DataClass). A field without a class does not compile, and
 * neither does customer data.
 */
const fieldClasses = {
  version: "METADATA",
  bootId: "METADATA",
  time: "METADATA",
} as const satisfies Record<keyof CheckInMessage, "METADATA">;

/** For the egress ledger. */
export const checkInFields = Object.entries(fieldClasses).map(([path, dataClass]) => ({ path, dataClass }));

/** What goes on the wire: the fields that have a class and no other, whatever else an object carries. */
export function encodeCheckIn(message: CheckInMessage): string {
  return JSON.stringify(message, Object.keys(fieldClasses));
}

export interface CheckInAnswer {
  readonly serverTime: Date;
  /** Pause until the next one. */
  readonly intervalMs: number;
}

const answerSchema = z.object({ serverTime: z.iso.datetime(), intervalMs: z.number().int().positive() });
/** Whatever the control plane says, it gets no more than 50 and no less than one in 10 minutes. */
const intervalBounds = { minMs: 20, maxMs: 600_000 };

/** @throws DrawbridgeError `INGEST_ANSWER_INVALID` (data_loss) */
export function parseAnswer(text: string): CheckInAnswer {
  const parsed = answerSchema.safeParse(parseOrUndefined(text));
  if (!parsed.success) {
    throw new DrawbridgeError({
      kind: "data_loss",
      code: "INGEST_ANSWER_INVALID",
      message: "monitoring-ingest gave an answer that makes no sense; is it older or newer than this collector?",
    });
  }
  const { serverTime, intervalMs } = parsed.data;
  return {
    serverTime: new Date(serverTime),
    intervalMs: Math.min(intervalBounds.maxMs, Math.max(intervalBounds.minMs, intervalMs)),
  };
}

export function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
