import { createQueueConsumer, openQueueDeadLetters, openWorkQueue, type QueueMessage } from "@drawbridge/bus";
import { systemClock } from "@drawbridge/lifecycle";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { createDeadLetters, type DeadLetters } from "../src/dead-letters/dead-letters.ts";
import { batchHeader, readQueuedBatch } from "../src/receive/queued-batch.ts";
import { aBatch } from "./support/a-batch.ts";
import { fabricId, startIntake, type IntakeWorld } from "./support/intake-world.ts";
import { bearer, sendHttp1 } from "./support/send.ts";

let world: IntakeWorld;
let letters: DeadLetters;
beforeAll(async () => {
  world = await startIntake();
  const queue = openWorkQueue(world.bus, "ANALYTICS");
  letters = createDeadLetters({ queue, letters: openQueueDeadLetters(world.bus, "ANALYTICS") });
});
beforeEach(() => letters.delete({ ids: [] }));
afterAll(() => world[Symbol.asyncDispose]());

/** Whoever stores batches, and what it does with each. */
async function work(handle: (message: QueueMessage) => Promise<void>): Promise<void> {
  const { logger } = createTestLogger();
  const consumer = createQueueConsumer({
    bus: world.bus,
    queue: "ANALYTICS",
    durable: "analytics-ingest",
    handle,
    logger,
    clock: systemClock,
  });
  await consumer.start(AbortSignal.timeout(240_000));
  onTestFinished(() => consumer.stop(AbortSignal.timeout(10_000)));
}

async function send(...sequences: readonly bigint[]): Promise<void> {
  const headers = bearer(await world.token());
  for (const sequence of sequences) {
    expect(await sendHttp1(world, aBatch({ sequence }), headers)).toMatchObject({ status: 200 });
  }
}

const ids = async (): Promise<bigint[]> => (await letters.list({ limit: 100 })).map(({ id }) => id);
const waitFor = (count: bigint) => vi.waitUntil(async () => (await letters.count()) === count, { timeout: 240_000 });

test("a batch that cannot be stored is kept with what was wrong, and holds up no other (ANA)", async () => {
  const stored: string[] = [];
  await work(async (message) => {
    if (!message.header(batchHeader).endsWith(":1")) {
      stored.push(message.header(batchHeader));
      return message.ack();
    }
    if (message.deliveries < 3) return message.retry(1);
    await letters.putAside(message, "ANALYTICS_BATCH_INVALID", "a column\nis too short – by one");
  });
  await send(1n, 2n, 3n);
  await waitFor(1n);
  expect(await letters.list({ limit: 10 })).toMatchObject([
    {
      fabricId,
      gatewayId: "gateway-1",
      code: "ANALYTICS_BATCH_INVALID",
      message: "a column is too short   by one",
      attempts: 3,
    },
  ]);
  expect(stored).toEqual([`${fabricId}:gateway-1:1:2`, `${fabricId}:gateway-1:1:3`]);
  await expect.poll(() => world.waiting()).toBe(0);
});

test("offered again it comes as it was, although it was seen, and counts its attempts on (ANA)", async () => {
  let isMended = false;
  const stored: QueueMessage[] = [];
  await work(async (message) => {
    if (!isMended) return letters.putAside(message, "INTERNAL", "not yet");
    stored.push(message);
    message.ack();
  });
  await send(11n, 12n);
  await waitFor(2n);
  const [first = 0n] = await ids();
  expect(await letters.replay({ ids: [first] })).toBe(1);
  await vi.waitUntil(async () => (await letters.list({ limit: 10 })).some(({ attempts }) => attempts === 2));
  isMended = true;
  expect(await letters.replay({ ids: [] })).toBe(2);
  await vi.waitUntil(() => stored.length === 2);
  expect(stored.map((message) => message.header(batchHeader)).toSorted()).toEqual(
    [11, 12].map((sequence) => `${fabricId}:gateway-1:1:${sequence}`),
  );
  expect(stored.map((message) => readQueuedBatch(message).fabricId)).toEqual([fabricId, fabricId]);
  expect(await letters.count()).toBe(0n);
});

test("what is given up is gone; a number that is not there changes nothing", async () => {
  await work((message) => letters.putAside(message, "INTERNAL", "never"));
  await send(21n, 22n, 23n);
  await waitFor(3n);
  const [first = 0n, second = 0n, third = 0n] = await ids();
  const unknown = { kind: "not_found", code: "DEAD_LETTER_UNKNOWN" };
  await expect(letters.delete({ ids: [first, 999_999n] })).rejects.toMatchObject(unknown);
  await expect(letters.replay({ ids: [first, 999_999n] })).rejects.toMatchObject(unknown);
  expect(await ids()).toEqual([first, second, third]);
  expect(await letters.delete({ ids: [second, second] })).toBe(1);
  expect(await ids()).toEqual([first, third]);
  expect(await letters.delete({ ids: [] })).toBe(2);
  expect(await ids()).toEqual([]);
});
