import { createLoop, type Clock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";

const forever = new AbortController().signal;

/** Sleeps end when the test says so. */
function steppedClock(): { readonly clock: Clock; readonly step: () => Promise<void> } {
  let waiting = Promise.withResolvers<() => void>();
  const clock: Clock = {
    now: () => new Date(0),
    monotonicMs: () => 0,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) reject(new Error("stopped"));
        signal?.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
        waiting.resolve(resolve);
      }),
  };
  return {
    clock,
    step: async () => {
      const wake = await waiting.promise;
      waiting = Promise.withResolvers();
      wake();
    },
  };
}

test("runs a pass at the start and after every interval, also after one that failed", async () => {
  const { clock, step } = steppedClock();
  const errors: unknown[] = [];
  let passes = 0;
  const loop = createLoop({
    name: "test",
    clock,
    intervalMs: 1_000,
    pass: () => {
      passes += 1;
      return passes === 2 ? Promise.reject(new Error("pass 2")) : Promise.resolve();
    },
    onError: (error) => void errors.push(error),
  });
  await loop.start(forever);
  await step();
  await step();
  await step();
  await loop.stop(forever);
  expect(passes).toBeGreaterThanOrEqual(3);
  expect(errors).toEqual([new Error("pass 2")]);
});

test("stopping aborts the pass under way, waits for its end and does not call that an error", async () => {
  const { clock } = steppedClock();
  const errors: unknown[] = [];
  const entered = Promise.withResolvers<void>();
  let hasLeft = false;
  const loop = createLoop({
    name: "test",
    clock,
    intervalMs: 1_000,
    pass: async (signal) => {
      entered.resolve();
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("cut"))));
    },
    onError: (error) => void errors.push(error),
  });
  await loop.start(forever);
  await entered.promise;
  await loop.stop(forever).then(() => {
    hasLeft = true;
  });
  expect(hasLeft).toBe(true);
  expect(errors).toEqual([]);
});
