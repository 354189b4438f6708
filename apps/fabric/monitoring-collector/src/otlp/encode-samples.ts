import { ValueType, type Attributes, type HrTime } from "@opentelemetry/api";
import { ProtobufMetricsSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationTemporality, DataPointType, type DataPoint, type MetricData } from "@opentelemetry/sdk-metrics";
import type { OwnSeries } from "../app-endpoint/own-series.ts";
import type { ReplicaSample } from "../sampling/measure-interval.ts";
import { assertDeclared, ownMetricPrefix, type AttributeName, type MetricName } from "./declared-fields.ts";

/** One message of OTLP, `ExportMetricsServiceRequest`. */
export interface EncodedSamples {
  readonly bytes: Uint8Array;
  readonly dataPoints: number;
}

/** The collector of its own losses: by reason, since the last sample. */
export interface OwnReport {
  readonly fabricId: string;
  readonly version: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly droppedPoints: ReadonlyMap<string, number>;
}

/** A message of so many points is well below what receivers take (4 MiB is common, monitoring-ingest takes 20,000 points). */
const pointsPerMessage = 12_000;
const scope = { name: "drawbridge.monitoring-collector" };

/**
 * Samples as OTLP messages with the names of the OpenTelemetry semantic conventions where these have one. A resource is a
 * replica; all its points have one time. Messages of protobuf may be joined end to end: repeated fields add up.
 */
export function encodeSamples(
  samples: readonly ReplicaSample[],
  { fabricId, own }: { readonly fabricId: string; readonly own: OwnReport | undefined },
): readonly EncodedSamples[] {
  const messages: EncodedSamples[] = [];
  let parts = own === undefined || own.droppedPoints.size === 0 ? [] : [encodeOwn(own)];
  let points = 0;
  for (const sample of samples) {
    const part = encodeReplica(sample, fabricId);
    if (points + part.dataPoints > pointsPerMessage) {
      messages.push(joined(parts));
      [parts, points] = [[], 0];
    }
    parts.push(part);
    points += part.dataPoints;
  }
  return parts.length === 0 ? messages : [...messages, joined(parts)];
}

/** What monitoring-ingest has not taken of a message that it accepted. */
export function rejectedPoints(answer: Uint8Array): number {
  if (answer.length === 0) return 0;
  return ProtobufMetricsSerializer.deserializeResponse(answer).partialSuccess?.rejectedDataPoints ?? 0;
}

function joined(parts: readonly EncodedSamples[]): EncodedSamples {
  return {
    bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
    dataPoints: parts.reduce((sum, { dataPoints }) => sum + dataPoints, 0),
  };
}

function encodeReplica(sample: ReplicaSample, fabricId: string): EncodedSamples {
  const { identity, cpuCores, memory, traffic } = sample;
  const times = { startTime: hrTime(sample.startMs), endTime: hrTime(sample.endMs) };
  const metrics: MetricData[] = [];
  if (cpuCores !== undefined) metrics.push(gauge("container.cpu.usage", "{cpu}", { ...times, value: cpuCores }));
  if (memory !== undefined) {
    metrics.push(bytesNow("container.memory.usage", { ...times, value: memory.usedBytes }));
    metrics.push(bytesNow("drawbridge.process.memory.limit", { ...times, value: memory.totalBytes }));
  }
  if (traffic !== undefined) {
    const { requests, errors } = traffic;
    // The mean is one for all: what failed is not timed apart.
    const seconds = (count: number): number => (requests === 0 ? 0 : (traffic.durationMs * count) / requests / 1_000);
    const point = (count: number, attributes: Attributes) => ({
      ...times,
      attributes,
      value: { count, sum: seconds(count), buckets: { boundaries: [], counts: [] } },
    });
    metrics.push({
      descriptor: descriptor("http.server.request.duration", "s", ValueType.DOUBLE),
      aggregationTemporality: AggregationTemporality.DELTA,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: [point(requests - errors, {}), point(errors, { "error.type": "_OTHER" })],
    });
  }
  metrics.push(...(sample.own ?? []).map((series) => ownMetric(series, times)));
  return encode(metrics, {
    "service.name": identity.app,
    ...(identity.replicaId === "" ? {} : { "service.instance.id": identity.replicaId }),
    ...(identity.version === "" ? {} : { "service.version": identity.version }),
    "deployment.environment.name": identity.environment,
    "drawbridge.fabric.id": fabricId,
    "drawbridge.app.id": identity.appId,
  });
}

/** Counts since the last sample; of a distribution only how many there were, and their sum. */
function ownMetric({ name, kind, method, status, value, count }: OwnSeries, times: Times): MetricData {
  const attributes = {
    ...(method === "" ? {} : { "http.request.method": method }),
    ...(status === "" ? {} : { "drawbridge.http.status_class": status }),
  } satisfies Partial<Record<AttributeName, string>>;
  const common = {
    descriptor: descriptor(`${ownMetricPrefix}${name}`, "", ValueType.DOUBLE),
    aggregationTemporality: AggregationTemporality.DELTA,
  };
  const point = { ...times, attributes };
  if (kind === "histogram") {
    const distribution = { count, sum: value, buckets: { boundaries: [], counts: [] } };
    return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: [{ ...point, value: distribution }] };
  }
  const dataPoints = [{ ...point, value }];
  return kind === "gauge"
    ? { ...common, dataPointType: DataPointType.GAUGE, dataPoints }
    : { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
}

/** No environment: it is nobody's app. */
function encodeOwn({ fabricId, version, startMs, endMs, droppedPoints }: OwnReport): EncodedSamples {
  const times = { startTime: hrTime(startMs), endTime: hrTime(endMs) };
  const dropped: MetricData = {
    descriptor: descriptor("drawbridge.collector.dropped_points", "{data_point}", ValueType.INT),
    aggregationTemporality: AggregationTemporality.DELTA,
    dataPointType: DataPointType.SUM,
    isMonotonic: true,
    dataPoints: Array.from(droppedPoints, ([reason, value]) => ({ ...times, value, attributes: { reason } })),
  };
  return encode([dropped], {
    "service.name": "monitoring-collector",
    "service.version": version,
    "drawbridge.fabric.id": fabricId,
  });
}

function encode(metrics: MetricData[], attributes: Partial<Record<AttributeName, string>>): EncodedSamples {
  const resource = resourceFromAttributes(attributes);
  assertDeclared(attributes, metrics);
  const bytes = ProtobufMetricsSerializer.serializeRequest({ resource, scopeMetrics: [{ scope, metrics }] });
  return {
    bytes: bytes ?? new Uint8Array(),
    dataPoints: metrics.reduce((sum, { dataPoints }) => sum + dataPoints.length, 0),
  };
}

type Times = Pick<DataPoint<number>, "startTime" | "endTime">;

function gauge(name: MetricName, unit: string, point: Times & { readonly value: number }): MetricData {
  return {
    descriptor: descriptor(name, unit, ValueType.DOUBLE),
    aggregationTemporality: AggregationTemporality.DELTA, // of a gauge it says nothing
    dataPointType: DataPointType.GAUGE,
    dataPoints: [{ ...point, attributes: {} }],
  };
}

function bytesNow(name: MetricName, point: Times & { readonly value: number }): MetricData {
  return {
    descriptor: descriptor(name, "By", ValueType.INT),
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.SUM,
    isMonotonic: false,
    dataPoints: [{ ...point, value: Math.round(point.value), attributes: {} }],
  };
}

function descriptor(name: MetricName, unit: string, valueType: ValueType): MetricData["descriptor"] {
  return { name, description: "", unit, valueType };
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000)];
}
