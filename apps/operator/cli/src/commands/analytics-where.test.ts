import { expect, test } from "vitest";
import { conditions } from "./analytics-where.ts";

test.each([
  ["status=5xx,application!=shop", ["statusClass=5xx", "application!=shop"]],
  ["status=404|429", ["statusCode=404|429"]],
  ["status=404|5xx", ["statusClass=404|5xx"]],
  ["path=/orders/{id}, verb=GET", ["resourcePath=/orders/{id}", "verb=GET"]],
  [String.raw`city=Halle\, Saale|a\|b`, [String.raw`city=Halle, Saale|a\|b`]],
  [String.raw`city=a\\,verb=GET`, [String.raw`city=a\\`, "verb=GET"]],
  ["application=", ["application="]],
  ["api=x' OR '1'='1", ["api=x' OR '1'='1"]],
])("%j is sent as %j", (text, expected) => {
  expect(conditions(text, undefined)).toEqual(expected);
});

test("an option that is given again adds to what it gave before", () => {
  expect(conditions("verb=GET", ["api=orders"])).toEqual(["api=orders", "verb=GET"]);
});

test.each(["api", "=5xx", "nonsense=1", "constructor=1", "api<3"])("%s is refused", (text) => {
  expect(() => conditions(text, undefined)).toThrow();
});
