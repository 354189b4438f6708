import {
  Bucket,
  Dimension,
  Measure,
  type AnalyticsServiceService,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import type {
  MetricPoint,
  MetricSeries,
  MetricsServiceService,
} from "@drawbridge/contracts/monitoring/v1/metrics_service";
import type { GrpcCalls } from "@drawbridge/rpc";
import type { Reading } from "../domain/next-state.ts";
import type { Rule } from "../rules/rule-file.ts";
import type { GrantedFabrics } from "./granted-fabrics.ts";
import { seriesName } from "./series-name.ts";

export interface FigureSources {
  /** undefined in an installation without analytics-ingest. */
  readonly analytics: Pick<GrpcCalls<AnalyticsServiceService>, "query"> | undefined;
  /** undefined in an installation without monitoring-ingest. */
  readonly metrics:
    | { readonly showApps: GrpcCalls<MetricsServiceService>["showApps"]; readonly fabricsOf: GrantedFabrics }
    | undefined;
}

const timeoutMs = 15_000;
/** More series of one rule than people can be told of. */
const seriesPerRule = 100;

const measures = {
  requests: Measure.MEASURE_REQUESTS,
  "client-errors": Measure.MEASURE_CLIENT_ERRORS,
  "server-errors": Measure.MEASURE_SERVER_ERRORS,
  "error-rate": Measure.MEASURE_ERROR_RATE,
  violations: Measure.MEASURE_VIOLATIONS,
  "latency-mean-ms": Measure.MEASURE_LATENCY_MEAN_MS,
  "latency-p95-ms": Measure.MEASURE_LATENCY_P95_MS,
  "latency-p99-ms": Measure.MEASURE_LATENCY_P99_MS,
} as const satisfies Record<NonNullable<Rule["analytics"]>["figure"], Measure>;
/** Of nothing they are none, not unknown. */
const counts: ReadonlySet<string> = new Set(["requests", "client-errors", "server-errors", "violations"]);

const dimensions = {
  api: Dimension.DIMENSION_API,
  application: Dimension.DIMENSION_APPLICATION,
  "resource-path": Dimension.DIMENSION_RESOURCE_PATH,
  "violated-policy": Dimension.DIMENSION_VIOLATED_POLICY,
} as const;

/** The figures that a rule is about, as they are now. */
export async function readFigures(
  sources: FigureSources,
  rule: Rule,
  { now, signal }: { readonly now: Date; readonly signal: AbortSignal },
): Promise<readonly Reading[]> {
  const from = new Date(now.getTime() - rule.windowSeconds * 1_000);
  const options = { signal, timeoutMs, idempotent: true };
  if (rule.analytics) {
    if (!sources.analytics) throw new Error("rules about requests are refused at the start without analytics-ingest");
    const { figure, by } = rule.analytics;
    const { rows } = await sources.analytics.query(
      {
        selection: { environments: [rule.environment], from, to: now, filters: filtersOf(rule.analytics) },
        timeZone: "",
        bucket: Bucket.BUCKET_UNSPECIFIED,
        groupBy: by === undefined ? [] : [dimensions[by]],
        measures: [measures[figure]],
        limit: seriesPerRule,
      },
      options,
    );
    if (by === undefined && rows.length === 0) return counts.has(figure) ? [{ series: "", value: 0 }] : [];
    return rows.map(({ group, values }) => ({
      series: by === undefined ? "" : seriesName(by, group[0] ?? ""),
      value: values[0] ?? Number.NaN,
    }));
  }
  if (!sources.metrics) throw new Error("rules about apps are refused at the start without monitoring-ingest");
  const { app, figure } = rule.metric ?? {};
  // A fabric can tell of any environment: only those count that the environment is granted to.
  const fabricIds = await sources.metrics.fabricsOf(rule.environment, signal);
  if (fabricIds.length === 0) return [];
  const { apps } = await sources.metrics.showApps(
    {
      environments: [rule.environment],
      fabricId: "",
      fabricIds: [...fabricIds],
      app: app ?? "",
      from,
      to: now,
      stepSeconds: 0,
      byReplica: false,
    },
    options,
  );
  return apps.map(({ app: name, fabricId, total }) => ({
    series: `app=${name} fabric=${fabricId}`,
    value: total === undefined || figure === undefined ? Number.NaN : metricValue(total, figure),
  }));
}

function filtersOf({ api, application }: NonNullable<Rule["analytics"]>) {
  const wanted = [
    { dimension: Dimension.DIMENSION_API, value: api },
    { dimension: Dimension.DIMENSION_APPLICATION, value: application },
  ];
  return wanted.flatMap(({ dimension, value }) =>
    value === undefined ? [] : [{ dimension, values: [value], negated: false }],
  );
}

/** Of a time with messages: over the whole window. Of CPU and memory: now. */
function metricValue({ current, points }: MetricSeries, figure: NonNullable<Rule["metric"]>["figure"]): number {
  const sum = (of: (point: MetricPoint) => number): number => points.reduce((total, point) => total + of(point), 0);
  const messages = sum((point) => Number(point.messages));
  const used = Number(current?.memoryUsedBytes ?? 0n);
  const total = Number(current?.memoryTotalBytes ?? 0n);
  switch (figure) {
    case "cpu-millicores":
      return current?.cpuMillicores ?? Number.NaN;
    case "memory-bytes":
      return used === 0 ? Number.NaN : used;
    case "memory-share":
      return used === 0 || total === 0 ? Number.NaN : used / total;
    case "messages":
      return messages;
    case "errors":
      return sum((point) => Number(point.errors));
    case "error-rate":
      return messages === 0 ? Number.NaN : sum((point) => Number(point.errors)) / messages;
    case "response-time-ms":
      return sum((point) => (point.messages === 0n ? 0 : point.responseTimeMs * Number(point.messages))) / messages;
  }
}
