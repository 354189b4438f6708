import type { QueueMessage } from "@drawbridge/bus";
import { fabricHeader, receivedAtHeader } from "../receive/queued-batch.ts";
import type { RawBatch } from "./block-maker.ts";

/** A delivery as it may cross to a thread. */
export function rawOf(message: QueueMessage): RawBatch {
  const names = [fabricHeader, receivedAtHeader];
  // A copy of just these bytes: what came from the network is a part of something larger, all of which would cross.
  return {
    bytes: new Uint8Array(message.bytes),
    headers: Object.fromEntries(names.map((name) => [name, message.header(name)])),
  };
}
