import { expect, test } from "vitest";
import type { Reply } from "../../pipeline/reply.ts";
import {
  aResponse,
  anExchange,
  createPolicy,
  createTestServices,
  problemsOf,
  verdictOf,
} from "../../testing/harness.ts";
import { spikeControl } from "./spike-control.ts";

async function aPolicy(configuration: object) {
  const services = createTestServices();
  const policy = await createPolicy(spikeControl, configuration, { services });
  const call = (): Reply | undefined | Promise<Reply | undefined> =>
    policy.onRequest(anExchange({ nowMs: services.clock.nowMs() }));
  return { policy, call, clock: services.clock };
}

/** Requests that pass in each of `steps` steps of `stepMs`, `perStep` tries each. */
async function passed({
  perStep,
  steps,
  stepMs,
}: {
  perStep: number;
  steps: number;
  stepMs: number;
}): Promise<number[]> {
  const { call, clock } = await aPolicy({ requests: 10, periodMs: 1_000 });
  return Array.from({ length: steps }, () => {
    const count = Array.from({ length: perStep }, call).filter((reply) => reply === undefined).length;
    clock.advance(stepMs);
    return count;
  });
}

test("over any two windows no more pass than the limit allows in two, however they are spread", async () => {
  const counts = await passed({ perStep: 5, steps: 100, stepMs: 100 });
  for (let from = 0; from + 20 <= counts.length; from += 1) {
    expect(counts.slice(from, from + 20).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(20);
  }
  // A steady stream gets its whole rate.
  expect(counts.slice(10, 90).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(70);
});

test("unlike with a fixed window, the limit does not begin anew at its border", async () => {
  const { call, clock } = await aPolicy({ requests: 10, periodMs: 1_000 });
  clock.advance(990);
  expect(Array.from({ length: 20 }, call).filter((reply) => reply === undefined)).toHaveLength(10);
  clock.advance(20);
  expect(Array.from({ length: 20 }, call).filter((reply) => reply === undefined)).toHaveLength(0);
});

test("without a queue a request above the limit is refused at once", async () => {
  const { call } = await aPolicy({ requests: 1 });
  expect(call()).toBeUndefined();
  const reply = call();
  expect(reply).not.toBeInstanceOf(Promise);
  expect(reply).toMatchObject({ status: 429, reason: "spike_refused", isViolation: true });
});

test("a request above the limit waits, and passes when there is room", async () => {
  const { call, clock } = await aPolicy({
    requests: 1,
    periodMs: 1_000,
    queue: { length: 5, delayMs: 2_000, attempts: 1 },
  });
  expect(call()).toBeUndefined();
  const waiting = call();
  expect(waiting).toBeInstanceOf(Promise);
  clock.advance(2_000);
  expect(await waiting).toBeUndefined();
});

test("a request that waited in vain as often as it may is refused", async () => {
  const { call, clock } = await aPolicy({
    requests: 1,
    periodMs: 60_000,
    queue: { length: 5, delayMs: 100, attempts: 2 },
  });
  void call();
  const waiting = Promise.resolve(call());
  let isSettled = false;
  void waiting.then(() => (isSettled = true));
  clock.advance(100);
  await new Promise(setImmediate);
  expect(isSettled).toBe(false);
  clock.advance(100);
  expect(verdictOf(await waiting)).toBe("429 spike_refused");
});

test("no more wait than the queue has room for; room comes back when one is done", async () => {
  const { call, clock } = await aPolicy({
    requests: 1,
    periodMs: 60_000,
    queue: { length: 2, delayMs: 100, attempts: 1 },
  });
  void call();
  const waiting = [call(), call()];
  expect(verdictOf(call() as Reply)).toBe("429 spike_refused");
  clock.advance(100);
  for (const one of waiting) await one;
  expect(call()).toBeInstanceOf(Promise);
  clock.advance(100);
});

test("tells clients how they stand if the operator wants it", async () => {
  const { policy, clock } = await aPolicy({ requests: 4, exposeHeaders: true });
  const exchange = anExchange({ nowMs: clock.nowMs() });
  void policy.onRequest(exchange);
  const response = aResponse(200);
  policy.onResponse?.(exchange, response);
  expect(response.header("x-ratelimit-remaining")).toBe("3");
});

test.each([
  [{ requests: 0 }, "requests"],
  [{ requests: 1, periodMs: 99 }, "periodMs"],
  [{ requests: 1, queue: { length: -1 } }, "queue.length"],
  [{ requests: 1, queue: { length: 1, attempts: 0 } }, "queue.attempts"],
  [{ requests: 1, queue: { length: 1, delayMs: 1 } }, "queue.delayMs"],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(spikeControl, configuration)).toEqual([expect.stringMatching(new RegExp(`^${field}`))]);
});
