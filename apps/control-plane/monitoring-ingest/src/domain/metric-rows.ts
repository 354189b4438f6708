import type { AppReading, ReplicaKey } from "./app-reading.ts";
import { countSince, type Baseline, type Increment } from "./counter-baselines.ts";

/** What is in a row; the bits of its `measured`. */
export const measured = { cpu: 1, memoryUsed: 2, memoryTotal: 4, requests: 8 } as const;

/** What an app tells of itself. */
export type OwnReading = Extract<AppReading, { readonly figure: "own" }>;

/** All that is known of one replica at one time. */
export interface MetricRow extends ReplicaKey {
  readonly fabricId: string;
  readonly timeMs: number;
  measured: number;
  /** What the counts are of; 0 where that is not known. */
  intervalMs: number;
  cpuMillicores: number;
  memoryUsed: number;
  memoryTotal: number;
  messages: number;
  responseMsSum: number;
  responseCount: number;
  errors: number;
}

/** Cumulative counters of all fabrics as they stood. */
export interface Baselines {
  find(fabricId: string, series: string): Baseline | undefined;
  /** False when the fabric has as many counters as it may have. */
  set(fabricId: string, series: string, baseline: Baseline): boolean;
}

export interface RowsOfReadings {
  readonly rows: readonly MetricRow[];
  /** What apps tell of themselves, a row each. */
  readonly own: readonly OwnReading[];
  /** Readings of counters beyond what a fabric may have. */
  readonly refused: number;
}

/** A row, and the ranks of the metrics that its CPU and its used memory are from. */
interface RowDraft {
  readonly row: MetricRow;
  cpuRank: number;
  memoryRank: number;
}

/**
 * The rows of one message: readings of one replica at one time are one row, and several of one metric add up (containers
 * of a pod, modes of a CPU, classes of requests). Of several metrics for one figure the lowest in rank counts alone: they tell
 * the same twice. Moves `baselines`.
 */
export function rowsOfReadings(
  readings: readonly AppReading[],
  { fabricId, baselines }: { readonly fabricId: string; readonly baselines: Baselines },
): RowsOfReadings {
  const rows = new Map<string, RowDraft>();
  const own: OwnReading[] = [];
  let refused = 0;
  for (const reading of readings) {
    if (reading.figure === "own") {
      own.push(reading);
      continue;
    }
    if (!isCounter(reading)) {
      addLevel(rowFor(rows, fabricId, reading), reading);
      continue;
    }
    const step = incrementOf(reading, fabricId, baselines);
    if (step === "too many") refused += 1;
    else if (step !== undefined) addIncrement(rowFor(rows, fabricId, reading), reading, step);
  }
  return { rows: [...rows.values()].map(({ row }) => row), own, refused };
}

type Counter = Extract<AppReading, { readonly figure: "cpu time" | "requests" }>;
type Level = Exclude<AppReading, Counter | OwnReading>;

function isCounter(reading: Counter | Level): reading is Counter {
  return reading.figure === "cpu time" || reading.figure === "requests";
}

function rowFor(
  rows: Map<string, RowDraft>,
  fabricId: string,
  reading: ReplicaKey & { readonly timeMs: number },
): RowDraft {
  const { environment, app, replica, timeMs } = reading;
  const key = `${environment} ${app} ${replica} ${timeMs}`;
  let draft = rows.get(key);
  if (draft === undefined) {
    const none = { measured: 0, intervalMs: 0, cpuMillicores: 0, memoryUsed: 0, memoryTotal: 0 };
    const noRequests = { messages: 0, responseMsSum: 0, responseCount: 0, errors: 0 };
    const row = { fabricId, environment, app, replica, timeMs, ...none, ...noRequests };
    draft = { row, cpuRank: Number.POSITIVE_INFINITY, memoryRank: Number.POSITIVE_INFINITY };
    rows.set(key, draft);
  }
  return draft;
}

function addLevel(draft: RowDraft, reading: Level): void {
  const { row } = draft;
  switch (reading.figure) {
    case "cpu":
      addCpu(draft, reading.rank, reading.millicores);
      break;
    case "memory used":
      if (reading.rank > draft.memoryRank) break;
      if (reading.rank < draft.memoryRank) row.memoryUsed = 0;
      draft.memoryRank = reading.rank;
      row.measured |= measured.memoryUsed;
      row.memoryUsed += reading.bytes;
      break;
    case "memory total":
      row.measured |= measured.memoryTotal;
      row.memoryTotal += reading.bytes;
      break;
  }
}

function addCpu(draft: RowDraft, rank: number, millicores: number): void {
  if (rank > draft.cpuRank) return;
  const { row } = draft;
  if (rank < draft.cpuRank) row.cpuMillicores = 0;
  draft.cpuRank = rank;
  row.measured |= measured.cpu;
  row.cpuMillicores += millicores;
}

function addIncrement(draft: RowDraft, reading: Counter, { value, count, intervalMs }: Increment): void {
  const { row } = draft;
  if (reading.figure === "cpu time") {
    // A rate needs to know of which time it is.
    if (intervalMs <= 0) return;
    addCpu(draft, reading.rank, (value / intervalMs) * 1_000);
  } else {
    row.measured |= measured.requests;
    row.messages += count;
    row.responseMsSum += value;
    row.responseCount += count;
    if (reading.isError) row.errors += count;
  }
  row.intervalMs = Math.max(row.intervalMs, Math.min(intervalMs, longestIntervalMs));
}

/** What the column takes: 49 days. */
const longestIntervalMs = 4_294_967_295;

function incrementOf(reading: Counter, fabricId: string, baselines: Baselines): Increment | "too many" | undefined {
  const { startMs, timeMs, value, count, series } = reading;
  if (reading.temporality === "delta") return { value, count, intervalMs: startMs === 0 ? 0 : timeMs - startMs };
  const now: Baseline = { startMs, timeMs, value, count };
  const step = countSince(baselines.find(fabricId, series), now);
  if (step.outcome === "stale") return undefined;
  if (!baselines.set(fabricId, series, now)) return "too many";
  return step.outcome === "counted" ? step.increment : undefined;
}
