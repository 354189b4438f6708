import { expect, test } from "vitest";
import { mean, sparkline } from "./sparkline.ts";

test.each([
  ["from nothing to the largest", [0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"],
  ["the mean of neighbours", [0, 0, 7, 7], 2, "▁█"],
  ["no more bars than values", [3, 3], 8, "██"],
  ["a gap where nothing is known", [7, null, null, 0], 4, "█  ▁"],
  ["a mean of what is known of neighbours", [null, 4, 4, 4], 2, "██"],
  ["the lowest bar for nothing at all", [0, 0], 2, "▁▁"],
  ["nothing for no values", [], 8, ""],
])("shows %s", (_what, values, width, shown) => {
  expect(sparkline(values, width)).toBe(shown);
});

test("the mean of what is not known is not known", () => {
  expect([mean([null, null]), mean([1, null, 3])]).toEqual([null, 2]);
});
