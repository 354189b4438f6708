import {
  maxAttributes,
  metricsInvalid,
  noRecordedValue,
  temporalityOf,
  tooManyAttributes,
  tooManyPoints,
  type Attributes,
  type OtlpMessage,
  type OtlpMetric,
  type OtlpPoint,
  type ReadOptions,
} from "./otlp-message.ts";

/**
 * An ExportMetricsServiceRequest in OTLP's JSON: lowerCamelCase names, enums as numbers, 64-bit integers as strings or
 * numbers. Unknown members are passed over, as the specification wants.
 * @throws DrawbridgeError `METRICS_INVALID` that says where
 */
export function readJson(body: Uint8Array, options: ReadOptions): OtlpMessage {
  const points: OtlpPoint[] = [];
  let ignored = 0;
  for (const resourceMetrics of listAt(parse(body), "resourceMetrics")) {
    const resource = attributesOf(recordOr(resourceMetrics["resource"], "resource"));
    for (const scopeMetrics of listAt(resourceMetrics, "scopeMetrics")) {
      for (const metric of listAt(scopeMetrics, "metrics")) {
        const { about, data } = metricOf(metric);
        const found = listAt(data, "dataPoints");
        if (points.length + ignored + found.length > options.maxDataPoints) throw tooManyPoints(options.maxDataPoints);
        if (about === undefined || !options.isWanted(about.name)) ignored += found.length;
        else for (const point of found) pushPoint(points, point, { metric: about, resource });
      }
    }
  }
  return { points, ignored };
}

type Json = Readonly<Record<string, unknown>>;

function parse(body: Uint8Array): Json {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch (error) {
    throw metricsInvalid("the body is not JSON", error);
  }
  return recordOr(parsed, "the body");
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function recordOr(value: unknown, what: string): Json {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw metricsInvalid(`${what} is no object`);
  return value;
}

function listAt(parent: Json, name: string): readonly Json[] {
  const value = parent[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw metricsInvalid(`${name} is no list`);
  return value.map((item) => {
    if (!isRecord(item)) throw metricsInvalid(`${name} holds something that is no object`);
    return item;
  });
}

function textAt(parent: Json, name: string): string {
  const value = parent[name] ?? "";
  if (typeof value !== "string") throw metricsInvalid(`${name} is no text`);
  return value;
}

function numberAt(parent: Json, name: string, fallback: number): number {
  const value = parent[name];
  if (value === undefined || value === null) return fallback;
  // Protobuf's JSON has no other way to say that a double is none.
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  const number = typeof value === "string" && /^[+-]?[\d.]+([eE][+-]?\d+)?$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || Number.isNaN(number)) throw metricsInvalid(`${name} is no number`);
  return number;
}

const kinds = [
  ["gauge", "gauge"],
  ["sum", "sum"],
  ["histogram", "histogram"],
  ["exponentialHistogram", "histogram"],
] as const;

function metricOf(metric: Json): { readonly about: OtlpMetric | undefined; readonly data: Json } {
  const name = textAt(metric, "name");
  for (const [member, kind] of kinds) {
    if (metric[member] === undefined) continue;
    const data = recordOr(metric[member], member);
    const temporality = temporalityOf(data["aggregationTemporality"]);
    const isMonotonic = data["isMonotonic"] === true;
    return { about: { name, unit: textAt(metric, "unit"), kind, temporality, isMonotonic }, data };
  }
  return { about: undefined, data: recordOr(metric["summary"], "summary") };
}

function pushPoint(
  points: OtlpPoint[],
  point: Json,
  of: { readonly metric: OtlpMetric; readonly resource: Attributes },
): void {
  if ((numberAt(point, "flags", 0) & noRecordedValue) !== 0) return;
  const isHistogram = of.metric.kind === "histogram";
  points.push({
    ...of,
    attributes: attributesOf(point),
    startMs: Math.round(numberAt(point, "startTimeUnixNano", 0) / 1e6),
    timeMs: Math.round(numberAt(point, "timeUnixNano", 0) / 1e6),
    value: isHistogram ? numberAt(point, "sum", Number.NaN) : numberAt(point, "asDouble", numberAt(point, "asInt", 0)),
    count: isHistogram ? numberAt(point, "count", 0) : 0,
  });
}

function attributesOf(parent: Json): Attributes {
  const attributes = new Map<string, string>();
  for (const attribute of listAt(parent, "attributes")) {
    attributes.set(textAt(attribute, "key"), valueText(recordOr(attribute["value"], "value")));
    if (attributes.size > maxAttributes) throw tooManyAttributes();
  }
  return attributes;
}

function valueText(value: Json): string {
  if (value["stringValue"] !== undefined) return textAt(value, "stringValue");
  if (value["intValue"] !== undefined) return String(numberAt(value, "intValue", 0));
  if (value["doubleValue"] !== undefined) return String(numberAt(value, "doubleValue", 0));
  if (value["boolValue"] !== undefined) return String(value["boolValue"] === true);
  return JSON.stringify(value);
}
