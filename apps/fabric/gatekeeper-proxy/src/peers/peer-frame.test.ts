import { highestCount } from "@drawbridge/policies";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCounts, encodeFrame, FrameReader, longestFrame, type PeerFrame } from "./peer-frame.ts";

const buckets = 128;
const hello: PeerFrame = { kind: "hello", hello: { gatewayId: "gateway-1", buckets, seedCheck: "0123456789abcdef" } };
const aCounter = [3, -7, 1_800_000_000, 12];

function counts(words: readonly number[], origin = "gateway-1"): PeerFrame {
  return { kind: "counts", part: { origin, shares: Int32Array.from(words) }, sinceMs: 5.5 };
}

function readAll(bytes: Buffer, pieces = 1): PeerFrame[] {
  const reader = new FrameReader(buckets);
  const size = Math.max(1, Math.ceil(bytes.length / pieces));
  const frames: PeerFrame[] = [];
  for (let at = 0; at < bytes.length; at += size) frames.push(...reader.read(bytes.subarray(at, at + size)));
  return frames;
}

test("what is said is what is heard, whatever pieces it comes in", () => {
  const frames = [hello, counts([...aCounter, ...aCounter]), { kind: "complete" } as const];
  const bytes = Buffer.concat(frames.map(encodeFrame));
  for (const pieces of [1, 2, 7, bytes.length]) expect(readAll(bytes, pieces)).toEqual(frames);
});

test("more counters than a frame may hold are several frames", () => {
  const shares = Int32Array.from({ length: 4 * 10_000 }, (_, index) => aCounter[index % 4] ?? 0);
  const frames = encodeCounts({ origin: "gateway-1", shares }, 0);
  expect(frames).toHaveLength(3);
  const heard = readAll(Buffer.concat(frames)).flatMap((frame) =>
    frame.kind === "counts" ? Array.from(frame.part.shares) : [],
  );
  expect(heard).toEqual([...shares]);
});

test.each<[string, Buffer]>([
  ["no length", Buffer.from([0, 0, 0, 0, 1])],
  ["a length beyond every frame", lengthOf(longestFrame + 1)],
  ["the highest length", lengthOf(0xff_ff_ff_ff)],
  ["a kind that nobody knows", Buffer.from([1, 0, 0, 0, 9])],
  ["a hello that is no JSON", framed(1, Buffer.from("{"))],
  ["a hello without a name", framed(1, Buffer.from('{"buckets":1,"seedCheck":""}'))],
  ["a hello with a name that is a path", framed(1, Buffer.from('{"gatewayId":"../x","buckets":1,"seedCheck":""}'))],
  [
    "a hello that is too long",
    framed(1, Buffer.from(JSON.stringify({ gatewayId: "a", buckets: 1, seedCheck: "x".repeat(2_000) }))),
  ],
  ["counts without a counter", encodeFrame(counts([]))],
  ["counts that end in the middle of one", encodeFrame(counts([1, 2, 3]))],
  ["counts of a name that is a path", encodeFrame(counts(aCounter, "../gateway"))],
  ["counts of nobody", encodeFrame(counts(aCounter, ""))],
  ["a name longer than the frame", framed(2, Buffer.from([255, 65]))],
  [
    "an instant that is no number",
    encodeFrame({ kind: "counts", part: { origin: "a", shares: Int32Array.from(aCounter) }, sinceMs: NaN }),
  ],
  ["a bucket beyond the table", encodeFrame(counts([buckets, 1, 1, 1]))],
  ["a bucket before the table", encodeFrame(counts([-1, 1, 1, 1]))],
  ["no tag", encodeFrame(counts([1, 0, 1, 1]))],
  ["no end", encodeFrame(counts([1, 1, 0, 1]))],
  ["nothing counted", encodeFrame(counts([1, 1, 1, 0]))],
  ["less than nothing", encodeFrame(counts([1, 1, 1, -5]))],
  ["more than any limit", encodeFrame(counts([1, 1, 1, highestCount + 1]))],
])("refuses %s", (_what, bytes) => {
  expect(() => readAll(bytes)).toThrow(expect.objectContaining({ code: "PEER_FRAME_INVALID" }));
});

test("holds no more than a frame and a piece of what never ends", () => {
  const reader = new FrameReader(buckets);
  expect([...reader.read(lengthOf(longestFrame))]).toEqual([]);
  expect(() => {
    for (let piece = 0; piece < 100; piece += 1)
      for (const _ of reader.read(Buffer.alloc(1_024))) throw new Error("a frame");
  }).toThrow(expect.objectContaining({ code: "PEER_FRAME_INVALID" }));
});

test("any bytes at all are frames, or too few, or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 5 }), (bytes, pieces) => {
      try {
        readAll(Buffer.from(bytes), pieces);
      } catch (error) {
        expect(error).toMatchObject({ code: "PEER_FRAME_INVALID" });
      }
    }),
  );
});

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(5, 1);
  bytes.writeUInt32LE(length, 0);
  return bytes;
}

function framed(kind: number, body: Buffer): Buffer {
  const head = lengthOf(1 + body.length);
  head.writeUInt8(kind, 4);
  return Buffer.concat([head, body]);
}
