import { DrawbridgeError } from "@drawbridge/errors";

/** Attributes by key; values as text. */
export type Attributes = ReadonlyMap<string, string>;

/** One metric of a message, of the kinds that can be understood here. */
export interface OtlpMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram";
  readonly temporality: "delta" | "cumulative" | "unspecified";
  readonly isMonotonic: boolean;
}

/** One data point. */
export interface OtlpPoint {
  readonly metric: OtlpMetric;
  readonly resource: Attributes;
  readonly attributes: Attributes;
  /** Begin of what a sum or histogram counts; 0 when it was not told. */
  readonly startMs: number;
  readonly timeMs: number;
  /** Of a gauge or sum; of a histogram the sum of its values, NaN when it was not told. */
  readonly value: number;
  /** Of a histogram. */
  readonly count: number;
}

/** What there is of use in an ExportMetricsServiceRequest. */
export interface OtlpMessage {
  readonly points: readonly OtlpPoint[];
  /** Data points of metrics that nobody wants here. */
  readonly ignored: number;
}

/** What a reader takes and how much of it. */
export interface ReadOptions {
  /** Points of other metrics are counted, and not read. */
  readonly isWanted: (metricName: string) => boolean;
  /** Wanted or not; more make the message invalid. */
  readonly maxDataPoints: number;
}

/** OpenTelemetry's own default limit for attributes (specification, "Attribute Limits"). */
export const maxAttributes = 128;

/** @throws DrawbridgeError `METRICS_INVALID` (invalid_argument) for whoever sends a message that is none */
export function metricsInvalid(message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "METRICS_INVALID", message, cause });
}

export function tooManyPoints(maxDataPoints: number): DrawbridgeError {
  return metricsInvalid(`the message has more than ${maxDataPoints} data points; send smaller ones`);
}

export function tooManyAttributes(): DrawbridgeError {
  return metricsInvalid(`a resource or data point has more than ${maxAttributes} attributes`);
}

/** AggregationTemporality of opentelemetry/proto/metrics/v1/metrics.proto. */
export function temporalityOf(value: unknown): OtlpMetric["temporality"] {
  if (value === 1) return "delta";
  return value === 2 ? "cumulative" : "unspecified";
}

/** DataPointFlags: a point that says only that there is no value. */
export const noRecordedValue = 1;
