import type { AppMetrics, MetricPoint } from "@drawbridge/contracts/monitoring/v1/metrics_service";

/** https://prometheus.io/docs/specs/om/open_metrics_spec */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

interface Gauge {
  readonly name: string;
  readonly help: string;
  /** Undefined, or no number, where it is not known. */
  readonly read: (point: MetricPoint) => number | undefined;
}

const gauges: readonly Gauge[] = [
  { name: "drawbridge_app_cpu_cores", help: "CPU in use.", read: (point) => point.cpuMillicores / 1_000 },
  { name: "drawbridge_app_memory_used_bytes", help: "Memory in use.", read: (point) => known(point.memoryUsedBytes) },
  {
    name: "drawbridge_app_memory_total_bytes",
    help: "Memory that it may use.",
    read: (point) => known(point.memoryTotalBytes),
  },
  {
    name: "drawbridge_app_messages_per_second",
    help: "Requests per second in the last sampling interval.",
    read: (point) => Number(point.messages) / point.countedSeconds,
  },
  {
    name: "drawbridge_app_errors_per_second",
    help: "Of the requests, those that failed.",
    read: (point) => Number(point.errors) / point.countedSeconds,
  },
  {
    name: "drawbridge_app_response_time_seconds",
    help: "Mean response time in the last sampling interval.",
    read: (point) => point.responseTimeMs / 1_000,
  },
];

/** The current values of every replica as OpenMetrics. What is not known has no line. */
export function metricsText(apps: readonly { readonly app: AppMetrics; readonly fabric: string }[]): string {
  const lines: string[] = [];
  for (const { name, help, read } of gauges) {
    lines.push(`# TYPE ${name} gauge`, `# HELP ${name} ${help}`);
    for (const { app, fabric } of apps) {
      for (const { replica, metrics } of app.replicas) {
        const value = metrics?.current && read(metrics.current);
        if (value === undefined || !Number.isFinite(value)) continue;
        const labels = Object.entries({ environment: app.environment, app: app.app, fabric, replica });
        lines.push(`${name}{${labels.map(([key, text]) => `${key}="${escaped(text)}"`).join(",")}} ${value}`);
      }
    }
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

/** 0 stands for what was not measured. */
function known(bytes: bigint): number | undefined {
  return bytes === 0n ? undefined : Number(bytes);
}

function escaped(text: string): string {
  return text
    .replaceAll("\\", String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll("\n", String.raw`\n`);
}
