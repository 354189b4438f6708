import { expect, test } from "vitest";
import type { Baseline } from "../domain/counter-baselines.ts";
import { createCounterBook } from "./counter-book.ts";

const dayMs = 86_400_000;
const at = (timeMs: number): Baseline => ({ startMs: 0, timeMs, value: 1, count: 1 });

test("a fabric has as many counters as it may have, however many of them move at once", () => {
  const book = createCounterBook({ maxCountersPerFabric: 4 });
  for (const series of ["a", "b", "c"]) book.load("fabric", series, at(1));
  const draft = book.draft();
  const taken = ["a", "b", "c", "d", "e", "a", "d"].map((series) => draft.set("fabric", series, at(2)));
  expect(taken).toEqual([true, true, true, true, false, true, true]);
  draft.keep();
  expect(["a", "d", "e"].map((series) => book.draft().find("fabric", series)?.timeMs)).toEqual([2, 2, undefined]);
  expect(book.draft().set("other", "a", at(2))).toBe(true);
});

test("counters that were not heard of for a day make room", () => {
  const book = createCounterBook({ maxCountersPerFabric: 2 });
  for (const series of ["a", "b"]) book.load("fabric", series, at(series === "a" ? 0 : dayMs));
  const draft = book.draft();
  expect(["c", "d"].map((series) => draft.set("fabric", series, at(dayMs)))).toEqual([true, false]);
});

test("one that is heard of again after a day keeps its place among the others", () => {
  const book = createCounterBook({ maxCountersPerFabric: 2 });
  for (const series of ["a", "b"]) book.load("fabric", series, at(0));
  const draft = book.draft();
  expect(["a", "c", "d"].map((series) => draft.set("fabric", series, at(dayMs)))).toEqual([true, true, false]);
});
