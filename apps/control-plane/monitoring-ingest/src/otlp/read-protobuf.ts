import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { isDrawbridgeError } from "@drawbridge/errors";
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
 * An ExportMetricsServiceRequest in protobuf. Reads the wire itself, so that a small message that says of itself that it
 * has a million points costs no more than its bytes: a point is looked at only after it was counted.
 * Field numbers: opentelemetry-proto v1, metrics.proto, common.proto, resource.proto.
 * @throws DrawbridgeError `METRICS_INVALID`
 */
export function readProtobuf(body: Uint8Array, options: ReadOptions): OtlpMessage {
  const reader = new BinaryReader(body);
  const message: Draft = { points: [], ignored: 0, options };
  try {
    eachField(reader, body.length, (no, type) => {
      if (no !== 1 || type !== WireType.LengthDelimited) return false;
      readResourceMetrics(reader, endOf(reader), message);
      return true;
    });
  } catch (error) {
    // The library throws plain errors at bytes that are no protobuf.
    throw isDrawbridgeError(error) ? error : metricsInvalid("the body is no ExportMetricsServiceRequest", error);
  }
  return { points: message.points, ignored: message.ignored };
}

interface Draft {
  readonly points: OtlpPoint[];
  ignored: number;
  readonly options: ReadOptions;
}

/** Where a part of the message lies. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Fields until `end`; those of which `take` says false are skipped. */
function eachField(reader: BinaryReader, end: number, take: (no: number, type: WireType) => boolean): void {
  if (end > reader.len) throw new RangeError("a length beyond the end");
  while (reader.pos < end) {
    const [no, type] = reader.tag();
    if (!take(no, type)) reader.skip(type, no);
  }
  if (reader.pos !== end) throw new RangeError("a field beyond the end of its message");
}

function endOf(reader: BinaryReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function takeRange(reader: BinaryReader): Range {
  const end = endOf(reader);
  if (end > reader.len) throw new RangeError("a length beyond the end");
  const range = { start: reader.pos, end };
  reader.pos = end;
  return range;
}

/** Protobuf fixes no order: what names the points may stand behind them. */
function readResourceMetrics(reader: BinaryReader, end: number, message: Draft): void {
  let resource: Attributes = new Map();
  const scopes: Range[] = [];
  eachField(reader, end, (no, type) => {
    if (type !== WireType.LengthDelimited || no > 2) return false;
    if (no === 1) resource = readAttributes(reader, endOf(reader), 1);
    else scopes.push(takeRange(reader));
    return true;
  });
  for (const scope of scopes) {
    reader.pos = scope.start;
    eachField(reader, scope.end, (no, type) => {
      if (no !== 2 || type !== WireType.LengthDelimited) return false;
      readMetric(reader, { end: endOf(reader), resource, message });
      return true;
    });
  }
  reader.pos = end;
}

const kinds: Readonly<Record<number, { readonly kind: OtlpMetric["kind"]; readonly attributes: number } | undefined>> =
  {
    5: { kind: "gauge", attributes: 7 },
    7: { kind: "sum", attributes: 7 },
    9: { kind: "histogram", attributes: 9 },
    10: { kind: "histogram", attributes: 1 }, // exponential: sum and count have the numbers of the other
  };
const summary = 11;

interface Inside {
  readonly end: number;
  readonly resource: Attributes;
  readonly message: Draft;
}

function readMetric(reader: BinaryReader, { end, resource, message }: Inside): void {
  let name = "";
  let unit = "";
  let dataNo = 0;
  let data: Range | undefined;
  eachField(reader, end, (no, type) => {
    if (type !== WireType.LengthDelimited) return false;
    if (no === 1) name = reader.string();
    else if (no === 3) unit = reader.string();
    else if (no === summary || kinds[no] !== undefined) {
      dataNo = no;
      data = takeRange(reader);
    } else return false;
    return true;
  });
  if (data === undefined) return;
  const about = kinds[dataNo];
  const isWanted = about !== undefined && message.options.isWanted(name);
  const { points, temporality, isMonotonic } = readData(reader, data, message);
  if (!isWanted) {
    message.ignored += points.length;
    reader.pos = end;
    return;
  }
  const metric: OtlpMetric = { name, unit, kind: about.kind, temporality, isMonotonic };
  for (const range of points) {
    reader.pos = range.start;
    const point = readPoint(reader, range.end, { metric, resource, attributesNo: about.attributes });
    if (point !== undefined) message.points.push(point);
  }
  reader.pos = end;
}

/** Gauge, Sum, Histogram, ExponentialHistogram and Summary have their points in field 1. */
function readData(reader: BinaryReader, data: Range, message: Draft) {
  const points: Range[] = [];
  const before = message.points.length + message.ignored;
  let temporality: OtlpMetric["temporality"] = "unspecified";
  let isMonotonic = false;
  reader.pos = data.start;
  eachField(reader, data.end, (no, type) => {
    if (no === 1 && type === WireType.LengthDelimited) {
      points.push(takeRange(reader));
      if (before + points.length > message.options.maxDataPoints) throw tooManyPoints(message.options.maxDataPoints);
    } else if (no === 2 && type === WireType.Varint) temporality = temporalityOf(reader.int32());
    else if (no === 3 && type === WireType.Varint) isMonotonic = reader.bool();
    else return false;
    return true;
  });
  return { points, temporality, isMonotonic };
}

function readPoint(
  reader: BinaryReader,
  end: number,
  of: { readonly metric: OtlpMetric; readonly resource: Attributes; readonly attributesNo: number },
): OtlpPoint | undefined {
  const { metric, resource, attributesNo } = of;
  const isHistogram = metric.kind === "histogram";
  const flagsNo = isHistogram ? 10 : 8;
  const attributes = new Map<string, string>();
  let [startMs, timeMs, value, count, flags] = [0, 0, isHistogram ? Number.NaN : 0, 0, 0];
  eachField(reader, end, (no, type) => {
    if (no === attributesNo && type === WireType.LengthDelimited) readKeyValue(reader, endOf(reader), attributes);
    else if (no === 2 && type === WireType.Bit64) startMs = readNanos(reader);
    else if (no === 3 && type === WireType.Bit64) timeMs = readNanos(reader);
    else if (no === 4 && type === WireType.Bit64 && isHistogram) count = readFixed64(reader);
    else if (no === 4 && type === WireType.Bit64) value = reader.double();
    else if (no === 5 && type === WireType.Bit64 && isHistogram) value = reader.double();
    else if (no === 6 && type === WireType.Bit64 && !isHistogram) value = readSignedFixed64(reader);
    else if (no === flagsNo && type === WireType.Varint) flags = reader.uint32();
    else return false;
    return true;
  });
  if ((flags & noRecordedValue) !== 0) return undefined;
  return { metric, resource, attributes, startMs, timeMs, value, count };
}

function readAttributes(reader: BinaryReader, end: number, fieldNo: number): Map<string, string> {
  const attributes = new Map<string, string>();
  eachField(reader, end, (no, type) => {
    if (no !== fieldNo || type !== WireType.LengthDelimited) return false;
    readKeyValue(reader, endOf(reader), attributes);
    return true;
  });
  return attributes;
}

function readKeyValue(reader: BinaryReader, end: number, into: Map<string, string>): void {
  let key = "";
  let value = "";
  eachField(reader, end, (no, type) => {
    if (type !== WireType.LengthDelimited || no > 2) return false;
    if (no === 1) key = reader.string();
    else value = readAnyValue(reader, endOf(reader));
    return true;
  });
  into.set(key, value);
  if (into.size > maxAttributes) throw tooManyAttributes();
}

/** Lists and maps are no values of an attribute that is looked at here: their bytes tell them apart, nothing more. */
function readAnyValue(reader: BinaryReader, end: number): string {
  let value = "";
  eachField(reader, end, (no, type) => {
    if (no === 1 && type === WireType.LengthDelimited) value = reader.string();
    else if (no === 2 && type === WireType.Varint) value = String(reader.bool());
    else if (no === 3 && type === WireType.Varint) value = String(reader.int64());
    else if (no === 4 && type === WireType.Bit64) value = String(reader.double());
    else if (type === WireType.LengthDelimited) value = Buffer.from(reader.bytes()).toString("base64");
    else return false;
    return true;
  });
  return value;
}

const twoTo32 = 4_294_967_296;

function readFixed64(reader: BinaryReader): number {
  const low = reader.fixed32();
  return reader.fixed32() * twoTo32 + low;
}

function readSignedFixed64(reader: BinaryReader): number {
  const low = reader.fixed32();
  return reader.sfixed32() * twoTo32 + low;
}

/** Nanoseconds beyond 2^53 are known to 256 of them: rounded, never cut, so that whole milliseconds stay what they are. */
function readNanos(reader: BinaryReader): number {
  return Math.round(readFixed64(reader) / 1e6);
}
