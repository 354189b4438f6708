import { z } from "zod";
import type { ReplicaReading } from "../sampling/replica-source.ts";
import { replicaKey } from "../sampling/replica-source.ts";
import type { TrafficCounts } from "../sampling/measure-interval.ts";
import { seriesKey, type OwnSeries } from "./own-series.ts";

/** Where the counters of each replica stood, by series: value and count. */
export const ownBaselineSchema = z.record(z.string(), z.record(z.string(), z.tuple([z.number(), z.number()])));
export type OwnBaseline = z.output<typeof ownBaselineSchema>;

export interface OwnMeasured {
  /** What was counted since the last sample, and gauges as they are. */
  readonly byReplica: ReadonlyMap<string, readonly OwnSeries[]>;
  readonly baseline: OwnBaseline;
}

/** Of one fabric; beyond, replicas go without. */
const maxCounters = 50_000;

/**
 * What replicas have counted since `before`. A counter that went back, or whose replica began since, began at nothing; of what is
 * read for the first time long after its start the past is not known. A replica that did not answer keeps where it stood.
 */
export function ownIncrements(
  before: { readonly atMs: number; readonly own?: OwnBaseline | undefined } | undefined,
  now: {
    readonly replicas: readonly Pick<ReplicaReading, "identity" | "startedAtMs">[];
    readonly read: ReadonlyMap<string, readonly OwnSeries[]>;
  },
): OwnMeasured {
  const byReplica = new Map<string, readonly OwnSeries[]>();
  const baseline: OwnBaseline = {};
  let counters = 0;
  for (const { identity, startedAtMs } of now.replicas) {
    const key = replicaKey(identity);
    const hasBegun = before !== undefined && startedAtMs !== undefined && startedAtMs > before.atMs;
    const known = hasBegun ? {} : before?.own?.[key];
    const read = now.read.get(key);
    if (read === undefined) {
      if (known !== undefined) baseline[key] = known;
      continue;
    }
    counters += read.length;
    if (counters > maxCounters) continue;
    byReplica.set(
      key,
      read.flatMap((series) => sinceThen(series, known) ?? []),
    );
    const cumulative = read.filter(({ kind }) => kind !== "gauge");
    baseline[key] = Object.fromEntries(cumulative.map((each) => [seriesKey(each), [each.value, each.count]]));
  }
  return { byReplica, baseline };
}

/** `undefined`: nothing, or nothing that is known. */
function sinceThen(series: OwnSeries, known: OwnBaseline[string] | undefined): OwnSeries | undefined {
  if (series.kind === "gauge") return series;
  if (known === undefined) return undefined;
  const [value, count] = known[seriesKey(series)] ?? [0, 0];
  const isAnew = series.value < value || series.count < count;
  const since = isAnew ? series : { ...series, value: series.value - value, count: series.count - count };
  return since.value === 0 && since.count === 0 ? undefined : since;
}

/** As OpenTelemetry's conventions and Prometheus' client libraries call the requests that an app answers. */
const requestNames = ["http_server_request_duration_seconds", "http_request_duration_seconds"];

/** What an app itself says of its requests, for one whose requests nobody else counts. */
export function trafficOf(own: readonly OwnSeries[]): TrafficCounts | undefined {
  const name = requestNames.find((each) => own.some((series) => series.name === each && series.kind === "histogram"));
  if (name === undefined) return undefined;
  const counted = own.filter((series) => series.name === name && series.kind === "histogram");
  const sum = (of: (series: OwnSeries) => number): number => counted.reduce((total, series) => total + of(series), 0);
  return {
    requests: sum(({ count }) => count),
    errors: sum(({ count, status }) => (status === "5xx" ? count : 0)),
    durationMs: sum(({ value }) => value) * 1_000,
  };
}
