import { DrawbridgeError } from "@drawbridge/errors";
import type { MetricData } from "@opentelemetry/sdk-metrics";
import { usualNames } from "../app-endpoint/own-series.ts";

/** How sensitive a field is (drawbridge.options.v1.DataClass); customer data is none of them. */
type DataClass = "METADATA" | "METRIC";

/** Every attribute that leaves, of resources and of points. One without a class does not compile and does not leave. */
const attributeClasses = {
  "service.name": "METADATA",
  "service.instance.id": "METADATA",
  "service.version": "METADATA",
  "deployment.environment.name": "METADATA",
  "drawbridge.fabric.id": "METADATA",
  "drawbridge.app.id": "METADATA",
  "error.type": "METADATA",
  reason: "METADATA",
  "http.request.method": "METADATA",
  "drawbridge.http.status_class": "METADATA",
} as const satisfies Record<string, DataClass>;

/** Every metric that leaves: numbers. */
const metricClasses = {
  "container.cpu.usage": "METRIC",
  "container.memory.usage": "METRIC",
  "drawbridge.process.memory.limit": "METRIC",
  "http.server.request.duration": "METRIC",
  "drawbridge.collector.dropped_points": "METRIC",
} as const satisfies Record<string, DataClass>;

/** Before the name of a metric that an app tells of itself: one of the usual ones, or named in its manifest. */
export const ownMetricPrefix = "drawbridge.app.";

export type AttributeName = keyof typeof attributeClasses;
export type MetricName = keyof typeof metricClasses | `${typeof ownMetricPrefix}${string}`;

/** What a message of samples is made of, for the egress ledger. */
export const sampleFields: readonly { readonly path: string; readonly dataClass: DataClass }[] = [
  ...Object.entries(attributeClasses).map(([name, dataClass]) => ({ path: `attributes.${name}`, dataClass })),
  ...Object.entries(metricClasses).map(([name, dataClass]) => ({ path: `metrics.${name}`, dataClass })),
  ...usualNames.map((name) => ({ path: `metrics.${ownMetricPrefix}${name}`, dataClass: "METRIC" as const })),
  { path: `metrics.${ownMetricPrefix}<named in an app's manifest>`, dataClass: "METRIC" },
];

/** @throws DrawbridgeError `EGRESS_FIELD_UNCLASSIFIED` (internal): something that nobody has declared would leave */
export function assertDeclared(attributes: object, metrics: readonly MetricData[]): void {
  const names = [
    ...Object.keys(attributes),
    ...metrics.flatMap(({ dataPoints }) => dataPoints.flatMap((point) => Object.keys(point.attributes))),
  ];
  const undeclared =
    names.find((name) => !(name in attributeClasses)) ??
    metrics.find(({ descriptor: { name } }) => !(name in metricClasses) && !name.startsWith(ownMetricPrefix))
      ?.descriptor.name;
  if (undeclared === undefined) return;
  throw new DrawbridgeError({
    kind: "internal",
    code: "EGRESS_FIELD_UNCLASSIFIED",
    message: `${undeclared} has no data class: it does not leave the fabric`,
  });
}
