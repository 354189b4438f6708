import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { findRecord, headBytes, readHead, readRecord, type RecordHead } from "./segment-record.ts";

/** A file of records. */
export interface Segment {
  readonly number: number;
  readonly path: string;
  /** `accountedBefore` of its first record, also if that is damaged: it is in the file's name. */
  readonly startAccounted: number;
  /** Where the next segment starts. */
  endAccounted: number;
  /** Bytes of whole records. */
  size: number;
  /** Of those, on the disk. */
  committed: number;
  records: number;
  fromMs: number;
  toMs: number;
  /** Requests and gaps of batches that were delivered or given up. */
  settled: number;
  /** Of what is not settled, what is lost and told by gaps. */
  gaps: number;
  /** Batches that were handed out. */
  inFlight: number;
  isDamaged: boolean;
}

export interface ScannedSegment extends Segment {
  /** Of its last readable record. */
  readonly last: RecordHead | undefined;
  readonly fileSize: number;
}

const namePattern = /^segment-(\d{12})-(\d{1,16})$/;

export function segmentPath(directory: string, number: number, startAccounted: number): string {
  return join(directory, `segment-${String(number).padStart(12, "0")}-${startAccounted}`);
}

export function newSegment(directory: string, number: number, startAccounted: number): Segment {
  return {
    number,
    path: segmentPath(directory, number, startAccounted),
    startAccounted,
    endAccounted: startAccounted,
    size: 0,
    committed: 0,
    records: 0,
    fromMs: Number.POSITIVE_INFINITY,
    toMs: 0,
    settled: 0,
    gaps: 0,
    inFlight: 0,
    isDamaged: false,
  };
}

/** Add a record to what is known of its segment. */
export function extend(
  segment: Segment,
  head: Pick<RecordHead, "fromMs" | "toMs" | "accounted" | "accountedBefore" | "rows">,
): void {
  segment.records += 1;
  segment.gaps += head.accounted - head.rows;
  segment.fromMs = Math.min(segment.fromMs, head.fromMs);
  segment.toMs = Math.max(segment.toMs, head.toMs);
  segment.endAccounted = Math.max(segment.endAccounted, head.accountedBefore + head.accounted);
}

/** A batch of it is settled; `isUndone`: it is not, after all. */
export function settleIn(
  segment: Segment,
  { accounted, rows }: Pick<RecordHead, "accounted" | "rows">,
  isUndone = false,
): void {
  const sign = isUndone ? -1 : 1;
  segment.settled += sign * accounted;
  segment.gaps -= sign * (accounted - rows);
}

/** Of all segments, those that gaps tell of too. */
export function waitingRequests(segments: readonly Segment[]): number {
  return segments.reduce(
    (sum, { endAccounted, startAccounted, settled }) => sum + endAccounted - startAccounted - settled,
    0,
  );
}

/** The first one with bytes behind this place. */
export function firstUnread(
  segments: readonly Segment[],
  read: { readonly segment: number; readonly offset: number },
): Segment | undefined {
  return segments.find(({ number, size }) => number > read.segment || (number === read.segment && size > read.offset));
}

/** All segments of a folder, oldest first, with what their heads say; of the last one every byte is looked at. */
export async function readSegments(directory: string): Promise<readonly ScannedSegment[]> {
  const names = (await readdir(directory)).flatMap((name) => {
    const [, number, start] = namePattern.exec(name) ?? [];
    return number === undefined ? [] : [{ number: Number(number), start: Number(start) }];
  });
  const ordered = names.toSorted((left, right) => left.number - right.number);
  const scanned: ScannedSegment[] = [];
  for (const [index, { number, start }] of ordered.entries()) {
    const segment = newSegment(directory, number, start);
    scanned.push(await scan(segment, index === ordered.length - 1 ? "every byte" : "heads"));
  }
  for (const [index, segment] of scanned.entries()) {
    const next = scanned[index + 1];
    if (next?.number === segment.number + 1) segment.endAccounted = next.startAccounted;
  }
  return scanned;
}

async function scan(segment: Segment, depth: "heads" | "every byte"): Promise<ScannedSegment> {
  const file = await open(segment.path, "r");
  try {
    const { size: fileSize } = await file.stat();
    let last: RecordHead | undefined;
    let offset = 0;
    let wholeEnd = 0;
    while (offset < fileSize) {
      const head =
        depth === "heads" ? readHead(file.fd, offset, fileSize) : readRecord(file.fd, offset, fileSize)?.head;
      if (head === undefined) {
        const found = findRecord(file.fd, offset + 1, fileSize);
        if (found === undefined) break;
        segment.isDamaged = true;
        offset = found.offset;
        continue;
      }
      extend(segment, head);
      last = head;
      offset += headBytes + head.length;
      wholeEnd = offset;
    }
    segment.size = wholeEnd;
    segment.committed = wholeEnd;
    return { ...segment, last, fileSize };
  } finally {
    await file.close();
  }
}
