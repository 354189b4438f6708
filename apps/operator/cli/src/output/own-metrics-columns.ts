import type { OwnMetric } from "../api/own-metrics-types.ts";
import { sparkline } from "./sparkline.ts";
import type { Column } from "./table.ts";

const barsWide = 12;

/** What an app tells of itself: how much in the time asked for, and when. */
export function ownMetricsColumns(metrics: readonly OwnMetric[]): readonly Column<OwnMetric>[] {
  const fabrics = new Set(metrics.map(({ fabric }) => fabric));
  return [
    { title: "METRIC", value: ({ name }) => name },
    ...(fabrics.size > 1 ? [{ title: "FABRIC", value: ({ fabric }: OwnMetric) => fabric }] : []),
    {
      title: "OF",
      value: ({ method, statusClass }) => [method, statusClass].filter((text) => text !== "").join(" ") || "-",
    },
    { title: "VALUE", value: (metric) => figure(metric) },
    {
      title: "OVER TIME",
      value: ({ kind, points }) =>
        sparkline(
          points.map((point) => drawn(kind, point)),
          barsWide,
        ) || "-",
    },
  ];
}

type Point = OwnMetric["points"][number];

/** A counter's sum, a gauge's last value, how many observations there were and their mean. */
function figure({ kind, points }: OwnMetric): string {
  const value = points.reduce((sum, point) => sum + point.value, 0);
  if (kind === "gauge") return text(points.at(-1)?.value ?? 0);
  if (kind === "counter") return `+${text(value)}`;
  const count = points.reduce((sum, point) => sum + point.count, 0);
  return count === 0 ? "+0" : `+${text(count)}, mean ${text(value / count)}`;
}

function drawn(kind: OwnMetric["kind"], { value, count }: Point): number {
  return kind === "distribution" ? count : Math.max(0, value);
}

/** Three digits or more; "0.0123", "12.3", "1234567". */
function text(value: number): string {
  const isWhole = Number.isInteger(value) || Math.abs(value) >= 1_000;
  return isWhole ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
