import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A data point as a receiver of OTLP sees it (opentelemetry-proto, metrics v1), with its resource. */
export interface Point {
  readonly resource: Readonly<Record<string, string>>;
  readonly metric: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram";
  /** 1 delta, 2 cumulative; 0 not said. */
  readonly temporality: number;
  readonly startNs: bigint;
  readonly timeNs: bigint;
  readonly attributes: Readonly<Record<string, string>>;
  /** Of a histogram its sum. */
  readonly value: number;
  /** Of a histogram. */
  readonly count: number;
}

type Field = number | bigint | Uint8Array;

/** Read by hand from the published field numbers, so that the writer is not checked against itself. */
export function decodeMetrics(message: Uint8Array): readonly Point[] {
  return all(message, 1).flatMap((resourceMetrics) => {
    const resource = attributesOf(all(bytes(resourceMetrics, 1), 1));
    return all(resourceMetrics, 2).flatMap((scope) =>
      all(scope, 2).flatMap((metric) => pointsOf(metric).map((point) => Object.assign(point, { resource }))),
    );
  });
}

function pointsOf(metric: Uint8Array): Omit<Point, "resource">[] {
  const [name, unit] = [text(bytes(metric, 1)), text(bytes(metric, 3))];
  const kinds = { 5: "gauge", 7: "sum", 9: "histogram" } as const;
  return ([5, 7, 9] as const).flatMap((number) =>
    all(metric, number).flatMap((data) =>
      all(data, 1).map((point) => {
        const isHistogram = number === 9;
        return {
          metric: name,
          unit,
          kind: kinds[number],
          temporality: Number(fieldsOf(data, 2)[0] ?? 0),
          startNs: fixed64(point, 2),
          timeNs: fixed64(point, 3),
          attributes: attributesOf(all(point, isHistogram ? 9 : 7)),
          value: isHistogram ? double(point, 5) : valueOf(point),
          count: isHistogram ? Number(fixed64(point, 4)) : 0,
        };
      }),
    ),
  );
}

function valueOf(point: Uint8Array): number {
  const [whole] = fieldsOf(point, 6);
  return typeof whole === "bigint" ? Number(whole) : double(point, 4);
}

function attributesOf(keyValues: readonly Uint8Array[]): Record<string, string> {
  return Object.fromEntries(keyValues.map((each) => [text(bytes(each, 1)), text(bytes(bytes(each, 2), 1))]));
}

function fieldsOf(message: Uint8Array, wanted: number): readonly Field[] {
  const reader = new BinaryReader(message);
  const found: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    let value: Field;
    if (wireType === WireType.LengthDelimited) value = reader.bytes();
    else if (wireType === WireType.Bit64) value = BigInt(reader.fixed64());
    else if (wireType === WireType.Varint) value = Number(reader.uint64());
    else value = reader.fixed32();
    if (number === wanted) found.push(value);
  }
  return found;
}

const all = (message: Uint8Array, number: number): readonly Uint8Array[] =>
  fieldsOf(message, number).filter((field) => field instanceof Uint8Array);
const bytes = (message: Uint8Array, number: number): Uint8Array => all(message, number)[0] ?? new Uint8Array();
const text = (value: Uint8Array): string => Buffer.from(value).toString("utf8");

function fixed64(message: Uint8Array, number: number): bigint {
  const [field] = fieldsOf(message, number);
  return typeof field === "bigint" ? field : 0n;
}

function double(message: Uint8Array, number: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, fixed64(message, number));
  return view.getFloat64(0);
}
