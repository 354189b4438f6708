import { expect, test } from "vitest";
import { FrameQueue, queueLimits, type ServerFrame } from "./frame-queue.ts";

const notify = (generation: bigint): ServerFrame => ({ $case: "notify", value: { generation, digest: "" } });
const kick: ServerFrame = { $case: "kick", value: { reason: "AGENT_REVOKED" } };

test("a newer frame takes the place of an older one with its key", () => {
  const queue = new FrameQueue();
  queue.push(notify(1n), { key: "notify" });
  queue.push({ $case: "statusAck", value: { statusSeq: 1n } }, {});
  queue.push(notify(2n), { key: "notify" });
  expect([queue.shift()?.frame, queue.shift()?.frame.$case, queue.shift()]).toEqual([
    notify(2n),
    "statusAck",
    undefined,
  ]);
});

test("an urgent frame passes everything that waits", () => {
  const queue = new FrameQueue();
  queue.push(notify(1n), {});
  queue.push(kick, { lane: "urgent" });
  expect(queue.shift()?.frame).toEqual(kick);
});

test("takes no more than 1,000 frames, but still replaces one that waits (R11)", () => {
  const queue = new FrameQueue();
  queue.push(notify(1n), { key: "notify" });
  for (let n = 1; n < queueLimits.frames; n += 1) queue.push(notify(BigInt(n)), {});
  expect(queue.push(notify(1n), {})).toBe("overflow");
  expect(queue.push(notify(2n), { key: "notify" })).toBe("queued");
});

test("takes no more than 8 MiB, and takes again what was sent", () => {
  const queue = new FrameQueue();
  const bundle: ServerFrame = {
    $case: "trustBundleChanged",
    value: { sequence: 1n, rootsDer: [Buffer.alloc(3 * 1024 * 1024)], succession: ["x".repeat(2 * 1024 * 1024)] },
  };
  expect(queue.push(bundle, {})).toBe("queued");
  expect(queue.push(bundle, {})).toBe("overflow");
  queue.shift();
  expect(queue.push(bundle, {})).toBe("queued");
});
