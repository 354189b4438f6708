import { encodeHead, type RecordHead } from "./segment-record.ts";
import type { Loss } from "./gap-list.ts";
import type { RecordedBatch, SpoolOptions } from "./spool-options.ts";

type AppendedHead = Omit<RecordHead, "length" | "checksum">;

/** Requests that are not told of one by one, and none that are. */
export const noRequests: RecordedBatch = {
  body: new Uint8Array(),
  rows: 0,
  fromMs: Number.POSITIVE_INFINITY,
  toMs: 0,
};

/** A batch as it stands in a segment, under its name, with what it tells of besides its own requests. */
export function batchRecord(
  { body, rows, fromMs, toMs }: RecordedBatch,
  at: Pick<AppendedHead, "epoch" | "sequence" | "accountedBefore" | "received"> & { readonly losses: readonly Loss[] },
  encode: SpoolOptions["encode"],
): { readonly bytes: Buffer; readonly head: AppendedHead } {
  const { losses, ...place } = at;
  const payload = encode(place, losses, body);
  const head = {
    ...place,
    rows,
    accounted: losses.reduce((sum, { requests }) => sum + requests, rows),
    fromMs: losses.reduce((least, loss) => Math.min(least, loss.fromMs), fromMs),
    toMs: losses.reduce((most, loss) => Math.max(most, loss.toMs), toMs),
  };
  return { bytes: Buffer.concat([encodeHead(head, payload), payload]), head };
}
