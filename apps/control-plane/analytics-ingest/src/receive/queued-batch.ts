import type { QueueEntry, QueueMessage } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { batchLimits } from "@drawbridge/request-batch";
import { unpackFrame } from "./zstd-frame.ts";

/** A batch on its way from where it was received to where it is stored. */
export interface QueuedBatch {
  /** Of the token that it came with. */
  readonly fabricId: string;
  readonly receivedAtMs: number;
  /** A RequestBatch, which was checked when it was received. */
  readonly bytes: Uint8Array;
}

/** What names a batch for ever. */
export interface BatchKey {
  readonly fabricId: string;
  readonly gatewayId: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
}

export const fabricHeader = "Drawbridge-Fabric";
export const receivedAtHeader = "Drawbridge-Received-At";
/** The batch's name, also where the message has another id: one that is offered again. */
export const batchHeader = "Drawbridge-Batch";

/** `<fabric>:<gateway>:<epoch>:<sequence>`; none of the parts has a colon. */
export function batchKeyText({ fabricId, gatewayId, epoch, sequence }: BatchKey): string {
  return `${fabricId}:${gatewayId}:${epoch}:${sequence}`;
}

/** @param frame one zstd frame of the RequestBatch */
export function queueEntry(batch: {
  readonly key: BatchKey;
  readonly receivedAtMs: number;
  readonly frame: Uint8Array;
}): QueueEntry {
  const name = batchKeyText(batch.key);
  return {
    id: name,
    bytes: batch.frame,
    headers: {
      [fabricHeader]: batch.key.fabricId,
      [receivedAtHeader]: String(batch.receivedAtMs),
      [batchHeader]: name,
    },
  };
}

/** @throws DrawbridgeError `ANALYTICS_BATCH_INVALID` (invalid_argument): damaged on its way */
export function readQueuedBatch(message: Pick<QueueMessage, "bytes" | "header">): QueuedBatch {
  const fabricId = message.header(fabricHeader);
  const receivedAtMs = Number(message.header(receivedAtHeader));
  if (fabricId === "" || !Number.isSafeInteger(receivedAtMs)) throw damaged("has no fabric or time");
  try {
    return { fabricId, receivedAtMs, bytes: unpackFrame(message.bytes, batchLimits.bytes) };
  } catch (cause) {
    throw damaged("is no zstd frame of a batch", cause);
  }
}

function damaged(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ANALYTICS_BATCH_INVALID",
    message: `a batch of the queue ${what}`,
    cause,
  });
}
