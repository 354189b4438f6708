import { retryWithBackoff, type Clock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";

const halfway = { next: () => 0.5 };
const forever = new AbortController().signal;

/** A clock that does not wait and remembers how long it should have. */
function impatientClock(): { readonly clock: Clock; readonly sleptMs: number[] } {
  const sleptMs: number[] = [];
  const clock: Clock = {
    now: () => new Date(0),
    monotonicMs: () => 0,
    sleep: (ms, signal) => {
      signal?.throwIfAborted();
      sleptMs.push(ms);
      return Promise.resolve();
    },
  };
  return { clock, sleptMs };
}

function failing(times: number): () => Promise<string> {
  let calls = 0;
  return () => {
    calls += 1;
    return calls <= times ? Promise.reject(new Error(`failure ${calls}`)) : Promise.resolve("done");
  };
}

test("tries until it succeeds, waiting longer each time up to the cap", async () => {
  const { clock, sleptMs } = impatientClock();
  const options = { clock, random: halfway, baseMs: 100, capMs: 500 };
  expect(await retryWithBackoff(failing(5), options, forever)).toBe("done");
  expect(sleptMs).toEqual([50, 100, 200, 250, 250]);
});

test("gives up after the last attempt with that attempt's error", async () => {
  const { clock, sleptMs } = impatientClock();
  await expect(retryWithBackoff(failing(9), { clock, random: halfway, maxAttempts: 3 }, forever)).rejects.toThrow(
    "failure 3",
  );
  expect(sleptMs).toHaveLength(2);
});

test("gives up when told so", async () => {
  const { clock, sleptMs } = impatientClock();
  const onFailure = (_error: unknown, attempt: number) => (attempt === 1 ? ("stop" as const) : ("retry" as const));
  await expect(retryWithBackoff(failing(9), { clock, random: halfway, onFailure }, forever)).rejects.toThrow(
    "failure 2",
  );
  expect(sleptMs).toHaveLength(1);
});

test("an abort ends the waiting with its own reason", async () => {
  const { clock } = impatientClock();
  const stopping = new AbortController();
  const onFailure = (): void => stopping.abort(new Error("stopping"));
  await expect(retryWithBackoff(failing(9), { clock, random: halfway, onFailure }, stopping.signal)).rejects.toThrow(
    "stopping",
  );
});

test("an error that came with the abort is not reported instead of it", async () => {
  const { clock } = impatientClock();
  const stopping = new AbortController();
  const work = (): Promise<never> => {
    stopping.abort(new Error("stopping"));
    return Promise.reject(new Error("socket closed"));
  };
  await expect(retryWithBackoff(work, { clock, random: halfway }, stopping.signal)).rejects.toThrow("stopping");
});
