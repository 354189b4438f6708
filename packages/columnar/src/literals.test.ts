import { expect, test } from "vitest";
import { isPlainName, parameterText, quoteIdentifier, quoteString } from "./literals.ts";

test.each([
  ["plain", "'plain'"],
  ["it's", String.raw`'it\'s'`],
  [String.raw`\'; DROP TABLE t`, String.raw`'\\\'; DROP TABLE t'`],
  ["a\0b", String.raw`'a\0b'`],
])("the literal of %j cannot be left from inside", (text, literal) => {
  expect(quoteString(text)).toBe(literal);
});

test("an identifier cannot be left from inside", () => {
  expect(quoteIdentifier("a`b\\")).toBe("`a\\`b\\\\`");
});

test.each([
  ["text", "text"],
  ["tab\tline\nback\\", String.raw`tab\tline\nback\\`],
  [String.raw`\N`, String.raw`\\N`],
  [null, String.raw`\N`],
  [true, "1"],
  [2.5, "2.5"],
  [2n ** 64n - 1n, "18446744073709551615"],
  [new Date("2026-01-02T03:04:05.678Z"), "1767323045.678"],
  [["a'b", "c"], String.raw`['a\'b','c']`],
  [[], "[]"],
  [[1, null], "[1,NULL]"],
] as const)("a parameter %o is sent as %s", (value, text) => {
  expect(parameterText(value)).toBe(text);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, new Date("never")])("refuses %s as a parameter", (value) => {
  expect(() => parameterText(value)).toThrow(expect.objectContaining({ code: "COLUMNAR_PARAMETER_INVALID" }));
});

test.each([
  ["api_events", true],
  ["1st", false],
  ["a.b", false],
  ["a b", false],
  ["", false],
])("%j as a plain name: %s", (name, verdict) => {
  expect(isPlainName(name)).toBe(verdict);
});
