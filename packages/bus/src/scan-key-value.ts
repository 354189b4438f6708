import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import { getNext } from "./get-next.ts";
import type { KeyValueEntry } from "./key-value.ts";

/** What a bucket holds, as far as it was read. */
export interface KeyValueScan {
  /** Written after the revision that was asked for, in order of revision. */
  readonly entries: readonly KeyValueEntry[];
  /** Of the latest write to the bucket. */
  readonly lastRevision: number;
  /** Everything in the bucket, marks of deleted keys included. */
  readonly messages: number;
}

/** Requests under way at once. */
const lanes = 16;

/**
 * Read a bucket message by message. A writer may not make a consumer (see `ServiceAccess.buckets`), so that he can neither
 * list nor watch; asking for one message after the other is what remains, and several ranges at once make up for it.
 */
export async function scanKeyValue(js: JetStreamClient, bucket: string, after: number): Promise<KeyValueScan> {
  const jsm = await js.jetstreamManager(false);
  const { state } = await jsm.streams.info(`KV_${bucket}`);
  const first = Math.max(after + 1, state.first_seq);
  const perLane = Math.max(1, Math.ceil((state.last_seq - first + 1) / lanes));
  const ranges: { from: number; to: number }[] = [];
  for (let from = first; from <= state.last_seq; from += perLane) {
    ranges.push({ from, to: Math.min(from + perLane - 1, state.last_seq) });
  }
  const read = await Promise.all(ranges.map((range) => readRange(jsm, bucket, range)));
  return { entries: read.flat(), lastRevision: state.last_seq, messages: state.messages };
}

async function readRange(
  jsm: JetStreamManager,
  bucket: string,
  range: { readonly from: number; readonly to: number },
): Promise<readonly KeyValueEntry[]> {
  const prefix = `$KV.${bucket}.`;
  const entries: KeyValueEntry[] = [];
  for (let seq = range.from; seq <= range.to;) {
    const message = await getNext(jsm, { stream: `KV_${bucket}`, subject: `${prefix}>`, from: seq });
    if (message === null || message.seq > range.to) break;
    if (!isMark(message)) {
      const { subject, data, seq: revision, time } = message;
      entries.push({ key: subject.slice(prefix.length), value: data, revision, writtenAt: time });
    }
    seq = message.seq + 1;
  }
  return entries;
}

/** Deleted, purged or expired. */
function isMark({ header }: StoredMsg): boolean {
  return header.has("KV-Operation") || header.has("Nats-Marker-Reason");
}
