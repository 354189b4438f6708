import type { AppMetrics, MetricPoint, MetricSeries } from "../api/metrics-types.ts";
import { mean, sparkline } from "./sparkline.ts";
import type { Column } from "./table.ts";

/** One line of `monitor show`: an app, or one of its replicas. */
export interface MetricsRow {
  readonly app: string;
  readonly fabric: string;
  readonly series: MetricSeries;
}

/** Each app, and its replicas below it. */
export function metricsRows(apps: readonly AppMetrics[]): readonly MetricsRow[] {
  return apps.flatMap(({ app, fabric, total, replicas }) => [
    { app, fabric, series: total },
    ...replicas.map(({ replicaId, series }) => ({ app: `  ${replicaId || "(no replica)"}`, fabric: "", series })),
  ]);
}

const barsWide = 8;

/** What every figure is now and was over the time asked for; `-` where it is not known. */
export function metricsColumns(rows: readonly MetricsRow[]): readonly Column<MetricsRow>[] {
  const fabrics = new Set(rows.map(({ fabric }) => fabric).filter((fabric) => fabric !== ""));
  return [
    { title: "APP", value: (row) => row.app },
    ...(fabrics.size > 1 ? [{ title: "FABRIC", value: (row: MetricsRow) => row.fabric }] : []),
    {
      title: "CPU",
      value: ({ series }) =>
        figure(series, {
          read: (point) => cores(point.cpuMillicores),
          over: (points) => mean(points.map(cpuOf)),
          digits: 2,
        }) + bars(series, cpuOf),
    },
    { title: "MEMORY", value: ({ series }) => memory(series) },
    {
      title: "MSG/MIN",
      value: ({ series }) =>
        figure(series, { read: (point) => point.messagesPerMinute, over: perMinute, digits: 0 }) +
        bars(series, (point) => point.messagesPerMinute),
    },
    {
      title: "RESPONSE",
      value: ({ series }) =>
        figure(series, { read: (point) => point.responseTimeMs, over: meanResponseMs, digits: 0, unit: " ms" }),
    },
    {
      title: "ERRORS",
      value: ({ series }) => figure(series, { read: (point) => point.errors, over: errors, digits: 0 }),
    },
  ];
}

interface Figure {
  readonly read: (point: MetricPoint) => number | null;
  readonly over: (points: readonly MetricPoint[]) => number | null;
  readonly digits: number;
  readonly unit?: string;
}

/** "now/then". */
function figure({ current, points }: MetricSeries, { read, over, digits, unit = "" }: Figure): string {
  const [now, then] = [current === null ? null : read(current), over(points)];
  const text = (value: number | null): string => (value === null ? "-" : short(value, digits));
  return now === null && then === null ? "-" : `${text(now)}/${text(then)}${unit}`;
}

/** At most five characters: "0.12", "1234", "12.3k". */
function short(value: number, digits: number): string {
  if (value >= 9_999.5) return `${(value / 1_000).toFixed(value < 99_950 ? 1 : 0)}k`;
  return value.toFixed(digits);
}

function bars({ points }: MetricSeries, read: (point: MetricPoint) => number | null): string {
  const drawn = sparkline(points.map(read), barsWide);
  return drawn.trim() === "" ? "" : ` ${drawn}`;
}

function cores(millicores: number | null): number | null {
  return millicores === null ? null : millicores / 1_000;
}

function cpuOf(point: MetricPoint): number | null {
  return cores(point.cpuMillicores);
}

/** The last that is known: memory over time says little in one number. */
function memory({ current, points }: MetricSeries): string {
  const last = current ?? points.at(-1);
  if (last === undefined || last.memoryUsedBytes === 0) return "-";
  const mib = (bytes: number): string => String(Math.round(bytes / 1_048_576));
  return last.memoryTotalBytes === 0
    ? `${mib(last.memoryUsedBytes)} MiB`
    : `${mib(last.memoryUsedBytes)}/${mib(last.memoryTotalBytes)} MiB`;
}

function perMinute(points: readonly MetricPoint[]): number | null {
  const seconds = points.reduce((sum, point) => sum + point.countedSeconds, 0);
  if (seconds === 0) return null;
  return (points.reduce((sum, point) => sum + point.messages, 0) / seconds) * 60;
}

/** Weighted by messages. */
function meanResponseMs(points: readonly MetricPoint[]): number | null {
  const answered = points.filter((point) => point.responseTimeMs !== null);
  const messages = answered.reduce((sum, point) => sum + point.messages, 0);
  if (messages === 0) return null;
  return answered.reduce((sum, point) => sum + (point.responseTimeMs ?? 0) * point.messages, 0) / messages;
}

function errors(points: readonly MetricPoint[]): number | null {
  return points.length === 0 ? null : points.reduce((sum, point) => sum + point.errors, 0);
}
