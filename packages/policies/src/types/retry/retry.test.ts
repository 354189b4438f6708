import { expect, test } from "vitest";
import type { AttemptOutcome } from "../../pipeline/upstream-behaviour.ts";
import { anExchange, createPolicy, createTestServices, problemsOf } from "../../testing/harness.ts";
import { createRetryBudget } from "./retry-budget.ts";
import { retry } from "./retry.ts";

const response = (status: number, headers: Readonly<Record<string, string>> = {}): AttemptOutcome => ({
  kind: "response",
  status,
  header: (name) => headers[name],
});

async function plan(configuration: Record<string, unknown> = {}, random = 0.5) {
  const services = { ...createTestServices(), random: () => random };
  const policy = await createPolicy(retry, configuration, { services });
  const declared = policy.upstream?.retry;
  if (!declared) throw new Error("declares no retries");
  return { policy, ...declared };
}

test.each<[string, AttemptOutcome, boolean]>([
  ["GET", { kind: "connect_failed" }, true],
  ["GET", { kind: "reset" }, true],
  ["GET", { kind: "timeout" }, false],
  ["GET", response(503), true],
  ["GET", response(500), false],
  ["GET", response(200), false],
  ["PUT", response(502), true],
  ["DELETE", { kind: "reset" }, true],
  ["POST", { kind: "connect_failed" }, true],
  ["POST", { kind: "reset" }, false],
  ["POST", response(503), false],
  ["PATCH", { kind: "timeout" }, false],
  ["FROB", response(503), false],
])("%s after %o is repeated: %s", async (method, outcome, isRepeated) => {
  const { delayMs } = await plan();
  expect(delayMs(anExchange({ method }), 1, outcome) !== undefined).toBe(isRepeated);
});

test("POST is not repeated after anything that the upstream may have seen, whatever is configured", async () => {
  const { delayMs } = await plan({ on: ["connect_failed", "reset", "timeout"], statuses: [500, 503] });
  for (const outcome of [{ kind: "reset" }, { kind: "timeout" }, response(500), response(503)] as const) {
    expect(delayMs(anExchange({ method: "POST" }), 1, outcome)).toBeUndefined();
  }
});

test("there are no more attempts than configured", async () => {
  const { attempts, delayMs } = await plan({ attempts: 3 });
  expect(attempts).toBe(3);
  expect([1, 2, 3, 4].map((attempt) => delayMs(anExchange(), attempt, { kind: "reset" }) !== undefined)).toStrictEqual([
    true,
    true,
    false,
    false,
  ]);
});

test("pauses double up to the longest, with full jitter", async () => {
  const { delayMs } = await plan({ attempts: 5, pauseMs: 100, longestPauseMs: 300 }, 1);
  expect([1, 2, 3, 4].map((attempt) => delayMs(anExchange(), attempt, { kind: "reset" }))).toStrictEqual([
    100, 200, 300, 300,
  ]);
  const none = await plan({}, 0);
  expect(none.delayMs(anExchange(), 1, { kind: "reset" })).toBe(0);
});

test.each([
  ["0", 25],
  ["1", 1000],
  ["2", undefined],
  ["Thu, 01 Jan 2026 00:00:01 GMT", undefined],
  ["-1", undefined],
])("Retry-After: %s is waited for if that is not too long: %s", async (asked, delay) => {
  const { delayMs } = await plan();
  expect(delayMs(anExchange(), 1, response(503, { "retry-after": asked }))).toBe(delay);
});

test("repetitions stay within the budget that requests earn", async () => {
  const { policy, delayMs } = await plan({ budgetPercent: 20, budgetReserve: 2 });
  const repeats = () => delayMs(anExchange(), 1, { kind: "reset" }) !== undefined;
  expect([repeats(), repeats(), repeats()]).toStrictEqual([true, true, false]);
  for (let request = 0; request < 4; request += 1) await policy.onRequest(anExchange());
  expect(repeats()).toBe(false);
  await policy.onRequest(anExchange());
  expect([repeats(), repeats()]).toStrictEqual([true, false]);
});

test("a thousand requests that all fail are repeated two hundred times at 20 percent", () => {
  const budget = createRetryBudget({ percent: 20, reserve: 10 });
  let repeated = 0;
  for (let request = 0; request < 1000; request += 1) {
    budget.earn();
    if (budget.spend()) repeated += 1;
  }
  expect(repeated).toBe(209);
});

test("what cannot be repeated costs nothing of the budget", async () => {
  const { delayMs } = await plan({ budgetReserve: 1 });
  expect(delayMs(anExchange({ method: "POST" }), 1, { kind: "reset" })).toBeUndefined();
  expect(delayMs(anExchange(), 1, { kind: "reset" })).toBeDefined();
});

test.each([
  [{ attempts: 1 }, "attempts"],
  [{ attempts: 6 }, "attempts"],
  [{ statuses: [404] }, "statuses.0"],
  [{ on: [], statuses: [] }, "on: must not be empty"],
  [{ on: ["response"] }, "on.0"],
  [{ bufferBytes: 2_000_000 }, "bufferBytes"],
])("the schema refuses %j and names the field", (configuration, problem) => {
  const problems = problemsOf(retry, configuration);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
