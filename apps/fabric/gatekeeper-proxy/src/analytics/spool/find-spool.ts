import { rm, truncate } from "node:fs/promises";
import type { Loss } from "./gap-list.ts";
import type { RecordHead } from "./segment-record.ts";
import { readSegments, type ScannedSegment, type Segment } from "./segment.ts";
import type { SpoolState } from "./spool-state.ts";

/** What a process finds of the one before it, and how it goes on. */
export interface FoundSpool {
  readonly segments: Segment[];
  readonly losses: readonly Loss[];
  readonly epoch: number;
  readonly sequence: number;
  readonly accounted: number;
  readonly received: number;
  readonly cursor: SpoolState["cursor"];
  readonly nextNumber: number;
}

/*
 * Invariant: the numbers go on only where the process before has ended in order and nothing is damaged or cut; everywhere else
 * another epoch begins, so that no name is given twice.
 */
export async function findSpool(
  directory: string,
  { state, nowMs }: { readonly state: SpoolState | undefined; readonly nowMs: number },
): Promise<FoundSpool> {
  const all = await readSegments(directory);
  const isGone = ({ number }: Segment): boolean =>
    state !== undefined && (number < state.cursor.segment || state.removed.includes(number));
  for (const segment of all) if (isGone(segment)) await rm(segment.path, { force: true });
  const segments = all.filter((segment) => !isGone(segment));
  const last = segments.at(-1);
  const isTorn = last !== undefined && last.fileSize > last.size;
  if (isTorn) await truncate(last.path, last.size);
  const isTailMissing = addMissingTail(last, state);
  const newest = newestHead(segments);
  const isAfterState = newest !== undefined && (state === undefined || isLater(newest, state));
  const goesOn = state?.isClean === true && !isTorn && !isTailMissing && last?.isDamaged !== true && !isAfterState;
  const epoch = Math.max(Math.floor(nowMs / 1_000), (state?.epoch ?? 0) + 1, (newest?.epoch ?? 0) + 1);
  return {
    segments,
    losses: state === undefined || isAfterState ? [] : state.losses, // a later batch tells of them
    epoch: goesOn ? state.epoch : epoch,
    sequence: goesOn ? state.sequence : 0,
    accounted: Math.max(state?.accounted ?? 0, last?.endAccounted ?? 0),
    received: (isAfterState ? newest.received : state?.received) ?? 0,
    cursor: cursorIn(segments, state),
    nextNumber: Math.max(all.at(-1)?.number ?? 0, state?.tail?.segment ?? 0, state?.cursor.segment ?? 0) + 1,
  };
}

/** What the state knows of the last segment and the disk does not have is lost, and comes out as such when it was read. */
function addMissingTail(last: ScannedSegment | undefined, state: SpoolState | undefined): boolean {
  const tail = state?.tail;
  if (last === undefined || tail === undefined || last.number > tail.segment) return false;
  if (tail.accounted <= last.endAccounted) return false;
  last.endAccounted = tail.accounted;
  last.isDamaged = true;
  return true;
}

function newestHead(segments: readonly ScannedSegment[]): RecordHead | undefined {
  let newest: RecordHead | undefined;
  for (const { last } of segments)
    if (last !== undefined && (newest === undefined || isLater(last, newest))) newest = last;
  return newest;
}

function isLater(one: Pick<RecordHead, "epoch" | "sequence">, other: Pick<RecordHead, "epoch" | "sequence">): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.sequence > other.sequence);
}

function cursorIn(segments: readonly Segment[], state: SpoolState | undefined): SpoolState["cursor"] {
  const [first] = segments;
  const atFirst = { segment: first?.number ?? state?.cursor.segment ?? 0, offset: 0, settled: 0 };
  if (state === undefined || first === undefined || first.number !== state.cursor.segment) return atFirst;
  first.settled = state.cursor.settled;
  return { ...state.cursor, offset: Math.min(state.cursor.offset, first.size) };
}
