import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";

/** Runs batches that end when the test says so. */
function aBatcher(
  options: { readonly size?: number; readonly lanes?: number; readonly keyOf?: (item: string) => string } = {},
) {
  const batches: string[][] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  let started = Promise.withResolvers<void>();
  const call = createBatcher<string, string>({
    size: 10,
    lanes: 1,
    ...options,
    run: async (items) => {
      batches.push([...items]);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      started.resolve();
      started = Promise.withResolvers<void>();
      await end.promise;
      return items.map((item) => item.toUpperCase());
    },
  });
  return { call, batches, ends, untilStarted: () => started.promise };
}

test("what arrives together is one batch, and everybody gets his own answer", async () => {
  const { call, batches, ends, untilStarted } = aBatcher();
  const answers = Promise.all(["a", "b", "c"].map((item) => call(item)));
  await untilStarted();
  ends[0]?.resolve();
  expect(await answers).toEqual(["A", "B", "C"]);
  expect(batches).toEqual([["a", "b", "c"]]);
});

test("what arrives while the lane is busy is the next batch", async () => {
  const { call, batches, ends, untilStarted } = aBatcher();
  const first = call("a");
  await untilStarted();
  const rest = Promise.all([call("b"), call("c")]);
  const second = untilStarted();
  ends[0]?.resolve();
  await first;
  await second;
  ends[1]?.resolve();
  await rest;
  expect(batches).toEqual([["a"], ["b", "c"]]);
});

test("items with one key are in different batches, in their order", async () => {
  const { call, batches, ends, untilStarted } = aBatcher({ keyOf: (item) => item.charAt(0) });
  const answers = Promise.all(["a1", "a2", "b1"].map((item) => call(item)));
  await untilStarted();
  const second = untilStarted();
  ends[0]?.resolve();
  await second;
  ends[1]?.resolve();
  expect(await answers).toEqual(["A1", "A2", "B1"]);
  expect(batches).toEqual([["a1", "b1"], ["a2"]]);
});

test("one bad item fails alone", async () => {
  const call = createBatcher<number, number>({
    size: 10,
    lanes: 1,
    run: async (items) => {
      if (items.includes(2)) throw new DrawbridgeError({ kind: "invalid_argument", code: "BAD", message: "two" });
      return items;
    },
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map((item) => call(item)));
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("when the database is away nobody is tried again", async () => {
  let runs = 0;
  const call = createBatcher<number, number>({
    size: 10,
    lanes: 1,
    run: async () => {
      runs += 1;
      throw new DrawbridgeError({ kind: "unavailable", code: "STORE_UNAVAILABLE", message: "away" });
    },
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map((item) => call(item)));
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(runs).toBe(1);
});
