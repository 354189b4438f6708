import { expect, test } from "vitest";
import { rangesOf } from "./stored-batches.ts";

test.each([
  [0n, []],
  [1n, [[0n, 0n]]],
  [2n ** 64n - 1n, [[0n, 63n]]],
  [2n ** 63n, [[63n, 63n]]],
  [
    0b1101_1100n,
    [
      [2n, 4n],
      [6n, 7n],
    ],
  ],
])("the batches of a word with the bits %s", (bits, ranges) => {
  expect(rangesOf(bits)).toEqual(ranges);
});
