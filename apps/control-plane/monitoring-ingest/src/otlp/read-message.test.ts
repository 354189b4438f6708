import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import type { OtlpMessage } from "./otlp-message.ts";
import { readJson } from "./read-json.ts";
import { readProtobuf } from "./read-protobuf.ts";

const options = { isWanted: (name: string) => name === "wanted", maxDataPoints: 10 };
const timeNs = 1_767_225_600_123_000_000n;
const bytes = (no: number) => (no << 3) | 2;
const fixed = (no: number) => (no << 3) | 1;
const varint = (no: number) => no << 3;

type Write = (writer: BinaryWriter) => unknown;
const inside =
  (no: number, write: Write): Write =>
  (writer) => {
    write(writer.uint32(bytes(no)).fork());
    writer.join();
  };
const all =
  (...parts: readonly Write[]): Write =>
  (writer) =>
    parts.forEach((part) => part(writer));
const text =
  (no: number, value: string): Write =>
  (writer) =>
    writer.uint32(bytes(no)).string(value);
const encode = (...parts: readonly Write[]): Uint8Array => {
  const writer = new BinaryWriter();
  all(...parts)(writer);
  return writer.finish();
};
const attribute = (no: number, key: string, value: Write): Write => inside(no, all(text(1, key), inside(2, value)));
const times: Write = (writer) =>
  writer
    .uint32(fixed(2))
    .fixed64(timeNs)
    .uint32(fixed(3))
    .fixed64(timeNs + 15_000_000_000n);

const histogram = inside(
  9,
  all(
    inside(
      1,
      all(
        times,
        (writer) => writer.uint32(fixed(4)).fixed64(6n).uint32(fixed(5)).double(1.5),
        attribute(9, "http.response.status_code", (writer) => writer.uint32(varint(3)).int64(503n)),
      ),
    ),
    (writer) => writer.uint32(varint(2)).int32(2),
  ),
);
const sum = inside(
  7,
  all(
    inside(
      1,
      all(times, (writer) => writer.uint32(fixed(6)).sfixed64(-7n)),
    ),
    // No value is recorded in this one.
    inside(
      1,
      all(times, (writer) => writer.uint32(varint(8)).uint32(1)),
    ),
    (writer) => writer.uint32(varint(2)).int32(1).uint32(varint(3)).bool(true),
  ),
);
const metric = (name: string, data: Write): Write => inside(2, all(text(1, name), text(3, "s"), data));
const resource = inside(1, attribute(1, "service.name", text(1, "orders")));
const scope = (...metrics: readonly Write[]): Write => inside(2, all(...metrics));
const unknown: Write = (writer) => writer.uint32(bytes(99)).string("from a later version");
const whole = inside(
  1,
  all(resource, scope(metric("wanted", histogram), metric("wanted", sum), metric("other", sum)), unknown),
);

const json = {
  resourceMetrics: [
    {
      resource: { attributes: [{ key: "service.name", value: { stringValue: "orders" } }] },
      later: true,
      scopeMetrics: [
        {
          metrics: [
            {
              name: "wanted",
              unit: "s",
              histogram: {
                aggregationTemporality: 2,
                dataPoints: [
                  {
                    startTimeUnixNano: String(timeNs),
                    timeUnixNano: String(timeNs + 15_000_000_000n),
                    count: "6",
                    sum: 1.5,
                    attributes: [{ key: "http.response.status_code", value: { intValue: "503" } }],
                  },
                ],
              },
            },
            {
              name: "wanted",
              unit: "s",
              sum: {
                aggregationTemporality: 1,
                isMonotonic: true,
                dataPoints: [
                  { startTimeUnixNano: String(timeNs), timeUnixNano: String(timeNs + 15_000_000_000n), asInt: "-7" },
                  { flags: 1 },
                ],
              },
            },
            { name: "other", sum: { dataPoints: [{}, {}] } },
          ],
        },
      ],
    },
  ],
};
const read: OtlpMessage = {
  ignored: 2,
  points: [
    {
      metric: { name: "wanted", unit: "s", kind: "histogram", temporality: "cumulative", isMonotonic: false },
      resource: new Map([["service.name", "orders"]]),
      attributes: new Map([["http.response.status_code", "503"]]),
      startMs: 1_767_225_600_123,
      timeMs: 1_767_225_615_123,
      value: 1.5,
      count: 6,
    },
    {
      metric: { name: "wanted", unit: "s", kind: "sum", temporality: "delta", isMonotonic: true },
      resource: new Map([["service.name", "orders"]]),
      attributes: new Map(),
      startMs: 1_767_225_600_123,
      timeMs: 1_767_225_615_123,
      value: -7,
      count: 0,
    },
  ],
};

const outcomeOf = (work: () => unknown): unknown => {
  try {
    work();
    return "read";
  } catch (error) {
    return isDrawbridgeError(error) ? error.code : error;
  }
};

test("protobuf and JSON say the same", () => {
  expect(readProtobuf(encode(whole), options)).toEqual(read);
  expect(readJson(Buffer.from(JSON.stringify(json)), options)).toEqual(read);
});

test("protobuf fixes no order: what names the points may stand behind them", () => {
  const named = inside(2, all(histogram, text(3, "s"), text(1, "wanted")));
  const message = inside(1, all(scope(named), resource));
  expect(readProtobuf(encode(message), options).points).toEqual([read.points[0]]);
});

test("every piece of a message is read or refused, and never anything else", () => {
  const message = encode(whole);
  const outcomes = Array.from({ length: message.length }, (_byte, length) =>
    outcomeOf(() => readProtobuf(message.subarray(0, length), options)),
  );
  expect(new Set(outcomes)).toEqual(new Set(["read", "METRICS_INVALID"]));
  for (let index = 0; index < message.length; index += 1) {
    const damaged = Uint8Array.from(message);
    damaged[index] = 0xff;
    expect(["read", "METRICS_INVALID"]).toContain(outcomeOf(() => readProtobuf(damaged, options)));
  }
});

test("more points or attributes than may be are refused, wanted or not", () => {
  const points = all(...Array.from({ length: 11 }, () => inside(1, () => undefined)));
  const many = inside(1, scope(metric("other", inside(5, points))));
  expect(outcomeOf(() => readProtobuf(encode(many), options))).toBe("METRICS_INVALID");
  const attributes = Array.from({ length: 129 }, (_one, index) => attribute(1, `key ${index}`, text(1, "")));
  expect(outcomeOf(() => readProtobuf(encode(inside(1, inside(1, all(...attributes)))), options))).toBe(
    "METRICS_INVALID",
  );
  const inJson = {
    resourceMetrics: [{ resource: { attributes: attributes.map((_one, index) => ({ key: `key ${index}` })) } }],
  };
  expect(outcomeOf(() => readJson(Buffer.from(JSON.stringify(inJson)), options))).toBe("METRICS_INVALID");
});

test.each([
  '{"resourceMetrics":[7]}',
  '{"resourceMetrics":[{"resource":[]}]}',
  '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":7}]}]}]}',
  '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"wanted","gauge":{"dataPoints":[{"asDouble":"x"}]}}]}]}]}',
  '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"wanted","gauge":{"dataPoints":[{"timeUnixNano":{}}]}}]}]}]}',
])("refuses JSON of another shape: %s", (body) => {
  expect(outcomeOf(() => readJson(Buffer.from(body), options))).toBe("METRICS_INVALID");
});
