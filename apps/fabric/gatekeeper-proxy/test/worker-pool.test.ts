import { createCounterStorage } from "@drawbridge/policies";
import { systemClock } from "@drawbridge/lifecycle";
import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import type { Change } from "../src/workers/protocol.ts";
import { createWorkerPool, type WorkerPool } from "../src/workers/worker-pool.ts";
import { until } from "./support/gateway-process.ts";

interface Watched {
  readonly pool: WorkerPool;
  /** "index: what it was told" */
  readonly told: string[];
  readonly applied: number[];
  readonly gone: number[];
}

async function aPool(count: number, everything: () => readonly Change[], clock = systemClock): Promise<Watched> {
  const told: string[] = [];
  const applied: number[] = [];
  const gone: number[] = [];
  const pool = createWorkerPool({
    count,
    entry: new URL("fixtures/falling-worker.ts", import.meta.url),
    start: { gatewayId: "gateway-0", counters: createCounterStorage(1_024) },
    everything,
    clock,
    logger: createTestLogger().logger,
    stopAcceptingAfterMs: 0,
    events: {
      onApplied: (sequence) => applied.push(sequence),
      onGone: (index) => gone.push(index),
      onMessage: (_, message) => message.type === "unusable" && told.push(message.setId),
    },
  });
  onTestFinished(() => pool.stop(AbortSignal.abort()));
  await pool.start(new AbortController().signal);
  await until(() => told.length === count);
  return { pool, told, applied, gone };
}

const removed = (appId: string): Change => ({ change: "app_removed", appId });

test("a change is in force when every worker said so, and each hears it once", async () => {
  const { pool, told, applied } = await aPool(3, () => [removed("everything")]);
  const sequence = pool.apply([removed("one")]);
  await until(() => applied.includes(sequence));
  expect(told.toSorted()).toEqual([0, 1, 2].flatMap((index) => [`${index}: everything`, `${index}: one`]));
});

test("a worker that falls is replaced by one that hears everything from memory; the others go on (row 22)", async () => {
  let state = "before";
  const { pool, told, applied, gone } = await aPool(2, () => [removed(state)]);
  state = "now";
  const sequence = pool.apply([removed("fall 1")]);
  await until(() => applied.includes(sequence));
  await until(() => told.includes("1: now"));
  expect(gone).toEqual([1]);
  expect(pool.alive()).toBe(2);
  expect(told).not.toContain("0: now");
});

test("a worker that falls again and again is started with growing pauses, and holds nobody up", async () => {
  let isFalling = false;
  const { pool, applied, gone } = await aPool(2, () => [removed(isFalling ? "fall 1" : "everything")]);
  isFalling = true;
  pool.apply([removed("fall 1")]);
  await until(() => gone.length >= 3);
  const sequence = pool.apply([removed("later")]);
  await until(() => applied.includes(sequence));
  expect(gone.every((index) => index === 1)).toBe(true);
});

test("a worker that does not answer for a minute is ended and replaced", async () => {
  const clock = new FakeClock();
  const { pool, told, applied, gone } = await aPool(2, () => [removed("everything")], clock);
  const sequence = pool.apply([removed("hang 0")]);
  await until(() => told.includes("1: hang 0"));
  expect(applied).not.toContain(sequence);
  for (let second = 0; second < 62; second += 1) {
    await clock.waitForSleep();
    clock.advance(1_000);
  }
  await until(() => applied.includes(sequence));
  expect(gone).toEqual([0]);
});
