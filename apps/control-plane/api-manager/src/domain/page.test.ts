import fc from "fast-check";
import { expect, test } from "vitest";
import { keysOfPage, pageCount, pageHash, pageKey, pageOfKey } from "./page.ts";

const pages = fc.integer({ min: 0, max: 14 }).map((exponent) => 2 ** exponent);

test("the page of a key is the hash mod the number of pages, as the contract says", () => {
  fc.assert(
    fc.property(fc.string(), pages, (text, count) => {
      expect(pageOfKey(pageKey(text), count)).toBe(pageHash(text) % count);
    }),
  );
});

test("the keys of a page are one range, and every key is in the range of its page", () => {
  fc.assert(
    fc.property(fc.string(), pages, (text, count) => {
      const key = pageKey(text);
      const { first, last } = keysOfPage(pageOfKey(key, count), count);
      expect(key).toBeGreaterThanOrEqual(first);
      expect(key).toBeLessThanOrEqual(last);
    }),
  );
});

test("the ranges of all pages are all keys, once", () => {
  const ranges = Array.from({ length: 64 }, (_, page) => keysOfPage(page, 64)).toSorted((a, b) => a.first - b.first);
  expect(ranges[0]?.first).toBe(0);
  expect(ranges.at(-1)?.last).toBe(2 ** 32 - 1);
  for (const [index, range] of ranges.entries()) {
    if (index > 0) expect(range.first).toBe((ranges[index - 1]?.last ?? 0) + 1);
  }
});

test.each([
  [0, 8, 0],
  [1, 0, 1],
  [64, 0, 1],
  [65, 1, 2],
  [100_000, 0, 1_024],
  [1_000_000, 0, 8_192],
  [63, 2, 2],
  [33, 2, 2],
  [32, 2, 1],
])("%d entries that were on %d pages are on %d", (entries, before, expected) => {
  expect(pageCount(entries, before)).toBe(expected);
});
