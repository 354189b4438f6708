import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** One replica at one sampling time. */
export interface Sample {
  readonly app: string;
  readonly replica: string;
  readonly atMs: number;
  /** What differs from sample to sample. */
  readonly load: number;
}

const intervalMs = 15_000;
const bytes = (no: number): number => (no << 3) | 2;
const fixed = (no: number): number => (no << 3) | 1;
const varint = (no: number): number => no << 3;
const delta = 1;
const cumulative = 2;

type Write = (writer: BinaryWriter) => void;

/** A message as the fabric's collector makes it: six figures out of six data points of each replica. */
export function messageOf(samples: readonly Sample[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const sample of samples) inside(writer, 1, () => writeReplica(writer, sample));
  return writer.finish();
}

function inside(writer: BinaryWriter, no: number, write: Write): void {
  writer.uint32(bytes(no)).fork();
  write(writer);
  writer.join();
}

function text(writer: BinaryWriter, no: number, value: string): void {
  writer.uint32(bytes(no)).string(value);
}

function attribute(writer: BinaryWriter, no: number, [key, value]: readonly [string, string]): void {
  inside(writer, no, () => {
    text(writer, 1, key);
    inside(writer, 2, () => text(writer, 1, value));
  });
}

function writeReplica(writer: BinaryWriter, { app, replica, atMs, load }: Sample): void {
  inside(writer, 1, () => {
    for (const pair of [
      ["service.name", app],
      ["service.instance.id", replica],
      ["service.version", "1.0.0"],
      ["deployment.environment.name", "production"],
    ] as const)
      attribute(writer, 1, pair);
  });
  inside(writer, 2, () => {
    sum(writer, { name: "process.cpu.time", unit: "s", temporality: delta }, [
      { atMs, value: load / 10, attribute: ["cpu.mode", "user"] },
      { atMs, value: load / 50, attribute: ["cpu.mode", "system"] },
    ]);
    sum(writer, { name: "process.memory.usage", unit: "By", temporality: cumulative }, [
      { atMs, value: Math.round(load * 1e8) },
    ]);
    sum(writer, { name: "drawbridge.process.memory.limit", unit: "By", temporality: cumulative }, [
      { atMs, value: 536_870_912 },
    ]);
    histogram(writer, atMs, Math.round(load * 100));
  });
}

interface Point {
  readonly atMs: number;
  readonly value: number;
  readonly attribute?: readonly [string, string];
}

function times(writer: BinaryWriter, atMs: number): void {
  writer.uint32(fixed(2)).fixed64(BigInt(atMs - intervalMs) * 1_000_000n);
  writer.uint32(fixed(3)).fixed64(BigInt(atMs) * 1_000_000n);
}

function sum(
  writer: BinaryWriter,
  metric: { readonly name: string; readonly unit: string; readonly temporality: number },
  points: readonly Point[],
): void {
  inside(writer, 2, () => {
    text(writer, 1, metric.name);
    text(writer, 3, metric.unit);
    inside(writer, 7, () => {
      for (const point of points) {
        inside(writer, 1, () => {
          times(writer, point.atMs);
          writer.uint32(fixed(4)).double(point.value);
          if (point.attribute) attribute(writer, 7, point.attribute);
        });
      }
      writer.uint32(varint(2)).int32(metric.temporality);
      writer.uint32(varint(3)).bool(metric.temporality === delta);
    });
  });
}

/** Requests, and those that failed. */
function histogram(writer: BinaryWriter, atMs: number, requests: number): void {
  inside(writer, 2, () => {
    text(writer, 1, "http.server.request.duration");
    text(writer, 3, "s");
    inside(writer, 9, () => {
      for (const [count, failed] of [
        [requests, false],
        [Math.floor(requests / 50), true],
      ] as const) {
        inside(writer, 1, () => {
          times(writer, atMs);
          writer
            .uint32(fixed(4))
            .fixed64(BigInt(count))
            .uint32(fixed(5))
            .double(count * 0.012);
          if (failed) attribute(writer, 9, ["error.type", "_OTHER"]);
        });
      }
      writer.uint32(varint(2)).int32(delta);
    });
  });
}
