import { CapturedExchange, CaptureLossReason, InsightBatch } from "@drawbridge/contracts/insight/v1/insight_batch";
import { expect, test } from "vitest";
import { ExchangeQueue } from "./exchange-queue.ts";

const anExchange = (exchangeId: string, bytes = 0): CapturedExchange =>
  CapturedExchange.fromPartial({ exchangeId, captureId: "c1", requestBody: { json: "x".repeat(bytes) } });

test("a batch has 64 exchanges at most, and about a megabyte", () => {
  const queue = new ExchangeQueue();
  for (let count = 0; count < 70; count += 1) queue.add(anExchange(`small ${count}`));
  expect(queue.next("gateway-0", "b1")?.exchanges).toHaveLength(64);
  expect(queue.next("gateway-0", "b2")?.exchanges).toHaveLength(6);
  expect(queue.next("gateway-0", "b3")).toBeUndefined();
  for (let count = 0; count < 3; count += 1) queue.add(anExchange(`large ${count}`, 600_000));
  expect(queue.next("gateway-0", "b4")?.exchanges).toHaveLength(1);
});

test("more than is kept while nobody takes it goes, the oldest first, and is told with the next batch", () => {
  const queue = new ExchangeQueue();
  for (let count = 0; count < 20; count += 1) queue.add(anExchange(`e${count}`, 1_000_000));
  expect(queue.size).toBe(8);
  const batch = InsightBatch.decode(queue.next("gateway-0", "b1")?.bytes ?? new Uint8Array());
  expect(batch.exchanges.map(({ exchangeId }) => exchangeId)).toEqual(["e12"]);
  const reason = CaptureLossReason.CAPTURE_LOSS_REASON_UNDELIVERED;
  expect(batch.losses).toEqual([{ captureId: "c1", reason, exchanges: 12n }]);
  expect(queue.next("gateway-0", "b2")?.losses).toEqual([]);
});

test("a batch that is given up becomes a loss, and what it told of losses is told again", () => {
  const queue = new ExchangeQueue();
  queue.lose({ captureId: "c1", reason: "rate", exchanges: 3 });
  queue.add(anExchange("e1"));
  const batch = queue.next("gateway-0", "b1");
  if (batch !== undefined) queue.giveUp(batch, "undelivered");
  expect(queue.next("gateway-0", "b2")?.losses).toEqual([
    { captureId: "c1", reason: "undelivered", exchanges: 1 },
    { captureId: "c1", reason: "rate", exchanges: 3 },
  ]);
  expect(queue.lost).toEqual({ rate: 3, undelivered: 1 });
});

test("a batch tells of a hundred losses at most, the next one of the others", () => {
  const queue = new ExchangeQueue();
  for (let count = 0; count < 120; count += 1) queue.lose({ captureId: `c${count}`, reason: "rate", exchanges: 1 });
  expect(queue.next("gateway-0", "b1")?.losses).toHaveLength(100);
  expect(queue.next("gateway-0", "b2")?.losses).toHaveLength(20);
  expect(queue.isEmpty).toBe(true);
});
