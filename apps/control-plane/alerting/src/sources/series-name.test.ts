import { expect, test } from "vitest";
import { seriesName } from "./series-name.ts";

test("a series is called by what it is of", () => {
  expect(seriesName("application", "shop")).toBe("application=shop");
});

test("what a fabric told cannot break the rule's other series: no control characters, no more than a row holds", () => {
  expect(seriesName("application", "a\u0000b\u001b[2J")).toBe("application=ab[2J");
  const [one, other] = ["1", "2"].map((end) => seriesName("resource-path", `/${"a".repeat(1_100)}${end}`));
  expect([one?.length, one === other, one?.startsWith("resource-path=/aaa")]).toEqual([1_000, false, true]);
  expect(seriesName("api", `${"a".repeat(978)}😀${"b".repeat(100)}`).isWellFormed()).toBe(true);
});
