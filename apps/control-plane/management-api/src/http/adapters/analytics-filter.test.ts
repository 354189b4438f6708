import { expect, test } from "vitest";
import { parseFilter } from "./analytics-filter.ts";

test.each([
  ["api=orders", { dimension: 1, negated: false, values: ["orders"] }],
  ["application!=shop|mobile", { dimension: 3, negated: true, values: ["shop", "mobile"] }],
  ["application=", { dimension: 3, negated: false, values: [""] }],
  ["application=|shop", { dimension: 3, negated: false, values: ["", "shop"] }],
  [String.raw`city=a\|b|c\\`, { dimension: 13, negated: false, values: ["a|b", "c\\"] }],
  [String.raw`city=\n`, { dimension: 13, negated: false, values: [String.raw`\n`] }],
  ["api=a=b!=c", { dimension: 1, negated: false, values: ["a=b!=c"] }],
  ["api=x' OR '1'='1", { dimension: 1, negated: false, values: ["x' OR '1'='1"] }],
  ["city=Zürich 🏔|\n", { dimension: 13, negated: false, values: ["Zürich 🏔", "\n"] }],
])("%j is a condition", (text, filter) => {
  expect(parseFilter(text)).toEqual(filter);
});

test.each(["", "api", "=a", "api<3", "API=a", "constructor=a", "environment=sandbox", "ap i=a", "api; DROP=a"])(
  "%j is none",
  (text) => {
    expect(parseFilter(text)).toBeTypeOf("string");
  },
);
