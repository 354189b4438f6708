import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { createCounterStorage, openCounters } from "../src/index.ts";

interface Contest {
  readonly entries: number;
  readonly subjects: number;
  readonly windows: number;
  readonly tries: number;
  readonly limit: number;
}

/** What each of four threads was allowed, by window and subject, and the storage that they shared. */
async function compete(
  contest: Contest,
): Promise<{ readonly totals: readonly number[]; readonly storage: SharedArrayBuffer }> {
  const threads = 4;
  const storage = createCounterStorage(contest.entries);
  const gate = new SharedArrayBuffer(8);
  const workers = Array.from(
    { length: threads },
    () =>
      new Worker(new URL("counting-worker.ts", import.meta.url), {
        workerData: { ...contest, storage, gate, threads },
      }),
  );
  try {
    // Each thread posts one list of numbers.
    const lists = (await Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0]))) as number[][];
    const totals = (lists[0] ?? []).map((_, index) => lists.reduce((sum, list) => sum + (list[index] ?? 0), 0));
    return { totals, storage };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

test("threads that count at once are allowed exactly the limit together, in every window, for every subject", async () => {
  const { totals, storage } = await compete({ entries: 262_144, subjects: 2_000, windows: 3, tries: 10, limit: 17 });
  expect(totals).toHaveLength(6_000);
  expect(totals.filter((total) => total !== 17)).toEqual([]);
  const counters = openCounters(storage, () => Date.now());
  expect(counters.counter("policy/0").read("client 1999", 2)).toBe(17);
  expect(counters.evictions()).toBe(0);
});

test("threads that compete for one counter are allowed exactly the limit", async () => {
  const { totals } = await compete({ entries: 64, subjects: 1, windows: 1, tries: 100_000, limit: 250_000 });
  expect(totals).toEqual([250_000]);
});

test("in a table that is far too small limits are looser, never tighter, and no thread is stuck", async () => {
  const { totals, storage } = await compete({ entries: 8, subjects: 40, windows: 25, tries: 10, limit: 17 });
  // Four threads of ten tries: at least the limit or all they asked for passes; forgetting lets more pass.
  expect(totals.filter((total) => total < 17 || total > 40)).toEqual([]);
  expect(openCounters(storage, () => Date.now()).evictions()).toBeGreaterThan(0);
});
