import { expect, test } from "vitest";
import { FrameQueue } from "./frame-queue.ts";

test("lets signs of life overtake", () => {
  const queue = new FrameQueue<string>();
  queue.push({ frame: "report", sizeBytes: 10, lane: "normal" });
  queue.push({ frame: "heartbeat", sizeBytes: 1, lane: "priority" });
  expect([queue.shift(), queue.shift(), queue.shift()]).toEqual(["heartbeat", "report", undefined]);
});

test("is full at 1 000 frames or 8 MiB, and has room again when something was written (R11)", () => {
  const many = new FrameQueue<number>();
  for (let index = 0; index < 1_000; index += 1) many.push({ frame: index, sizeBytes: 1, lane: "normal" });
  expect(many.push({ frame: 1, sizeBytes: 1, lane: "priority" })).toBe("full");
  const big = new FrameQueue<number>();
  expect(big.push({ frame: 1, sizeBytes: 8 * 2 ** 20, lane: "normal" })).toBe("queued");
  expect(big.push({ frame: 2, sizeBytes: 1, lane: "normal" })).toBe("full");
  big.shift();
  expect(big.push({ frame: 2, sizeBytes: 1, lane: "normal" })).toBe("queued");
});
