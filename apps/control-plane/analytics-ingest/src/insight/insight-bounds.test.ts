import { CapturedExchange, InsightBatch } from "@drawbridge/contracts/insight/v1/insight_batch";
import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { assertInsightBounds } from "./insight-bounds.ts";
import { readInsightBatch } from "./read-insight-batch.ts";

const grant = { fabricId: "01890000-0000-7000-8000-000000000001", environments: ["production"] };
const id = "01890000-0000-7000-8000-000000000009";

const varint = (value: number): readonly number[] =>
  value < 128 ? [value] : [(value & 127) + 128, ...varint(value >>> 7)];
/** Anything length-delimited. */
const field = (no: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([...varint(no * 8 + 2), ...varint(content.length)]), content]);
const many = (count: number, one: Uint8Array): Buffer => Buffer.concat(Array.from({ length: count }, () => one));
const empty = Buffer.alloc(0);
const batchOf = (more: Uint8Array): Buffer =>
  Buffer.concat([InsightBatch.encode(InsightBatch.fromPartial({ batchId: id })).finish(), more]);
/** A batch of one exchange that has `more` in it. */
const exchangeOf = (more: Uint8Array): Buffer => {
  const exchange = CapturedExchange.fromPartial({ exchangeId: id, captureId: id, environment: "production" });
  return batchOf(field(3, Buffer.concat([CapturedExchange.encode(exchange).finish(), more])));
};
const read = (bytes: Uint8Array) => readInsightBatch(bytes, { grant, receivedAtMs: 0 });
const refusalOf = (bytes: Uint8Array): string => {
  try {
    read(bytes);
    return "taken";
  } catch (error) {
    return isDrawbridgeError(error, "INSIGHT_BATCH_INVALID") ? error.message : String(error);
  }
};

test.each([
  ["exchanges", 3, 100],
  ["losses", 4, 100],
])("is refused at the first of too many %s, whatever is behind it", (what, no, most) => {
  const bytes = batchOf(Buffer.concat([many(most + 1, field(no, empty)), Buffer.from([0xff])]));
  expect(refusalOf(bytes)).toContain(`at most ${most} ${what}`);
});

test("four MiB of empty exchanges are refused in no memory to speak of", () => {
  const bytes = Buffer.alloc(4 * 1024 * 1024, Buffer.from([0x1a, 0x00]));
  const before = process.memoryUsage().heapUsed;
  expect(refusalOf(bytes)).toContain("at most 100 exchanges");
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 * 1024 * 1024);
});

test.each<[string, number, number, (of: Uint8Array) => Uint8Array]>([
  ["fields of a query", 18, 100, (of) => of],
  ["fields of a request's head", 19, 200, (of) => of],
  ["fields of an answer's head", 21, 200, (of) => of],
  ["fields of a body", 5, 200, (of) => field(20, of)],
  ["revealed paths of a body", 6, 16_384, (of) => field(22, of)],
  ["request body", 20, 1, (of) => of],
])("an exchange with too many: %s", (what, no, most, within) => {
  const refusals = [most, most + 1].map((count) => refusalOf(exchangeOf(within(many(count, field(no, empty))))));
  expect(refusals).toEqual(["taken", expect.stringContaining(`at most ${most} ${what}`)]);
});

test("an element that reaches beyond its message hides nothing behind it", () => {
  // A field of the query says to be one byte long, and its name begins there.
  const hidden = Buffer.from([0x92, 0x01, 0x01, 0x0a, 0x04]);
  expect(refusalOf(exchangeOf(Buffer.concat([hidden, Buffer.alloc(4)])))).toContain("no InsightBatch");
});

test.each([
  ["a length beyond the end", [0x1a, 0x7f]],
  ["a group", [0x1b, 0x1c]],
  ["a field without a number", [0x02, 0x00]],
  ["a length of more than 32 bits", [0x1a, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ["a number without an end", [0x28, ...Array.from({ length: 11 }, () => 0x80)]],
])("%s is no batch", (_what, bytes) => {
  expect(() => assertInsightBounds(Buffer.from(bytes))).toThrow("no InsightBatch");
});

test("a field of a newer gateway is passed over", () => {
  expect(
    refusalOf(batchOf(Buffer.from([0x28, 0x01, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4, 0x42, 0x00]))),
  ).toBe("taken");
});
