import type { AppMetrics, MetricPoint, MetricSeries } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import type { z } from "zod";
import type { metricsSchema } from "../schemas/metrics.ts";
import { instantOrNull, required, safeNumber } from "./values.ts";

type AppMetricsJson = z.output<typeof metricsSchema>["items"][number];
type SeriesJson = AppMetricsJson["total"];
type PointJson = SeriesJson["points"][number];

export function appMetricsToJson(app: AppMetrics, fabric: string): AppMetricsJson {
  return {
    environment: app.environment,
    app: app.app,
    fabric,
    fabricId: app.fabricId,
    total: seriesToJson(required("total", app.total)),
    replicas: app.replicas.map(({ replica, metrics }) => ({
      replicaId: replica,
      series: seriesToJson(required("metrics", metrics)),
    })),
  };
}

function seriesToJson({ current, points }: MetricSeries): SeriesJson {
  return { current: current === undefined ? null : pointToJson(current), points: points.map(pointToJson) };
}

function pointToJson(point: MetricPoint): PointJson {
  const messages = safeNumber("messages", point.messages);
  return {
    at: instantOrNull(point.time),
    cpuMillicores: numberOrNull(point.cpuMillicores),
    memoryUsedBytes: safeNumber("memory_used_bytes", point.memoryUsedBytes),
    memoryTotalBytes: safeNumber("memory_total_bytes", point.memoryTotalBytes),
    messages,
    messagesPerMinute: numberOrNull((messages / point.countedSeconds) * 60),
    responseTimeMs: numberOrNull(point.responseTimeMs),
    errors: safeNumber("errors", point.errors),
    countedSeconds: point.countedSeconds,
  };
}

/** JSON has no number that is none. */
function numberOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
