import { expect, test } from "vitest";
import { formatFields, formatTable } from "./table.ts";

const columns = [
  { title: "NAME", value: (row: { name: string; count: number }) => row.name },
  { title: "COUNT", value: (row: { name: string; count: number }) => String(row.count), align: "right" as const },
];

test("aligns text to the left and numbers to the right", () => {
  expect(
    formatTable(columns, [
      { name: "orders", count: 7 },
      { name: "a", count: 120 },
    ]),
  ).toBe("NAME    COUNT\norders      7\na         120");
});

test("cuts the widest text column so that a row fits the terminal", () => {
  const text = formatTable(columns, [{ name: "a-very-long-name-of-an-app", count: 1 }], 20);
  expect(text.split("\n").every((line) => line.length <= 20)).toBe(true);
  expect(text).toContain("…");
});

test("cuts nothing when the output is not a terminal", () => {
  expect(formatTable(columns, [{ name: "x".repeat(300), count: 1 }])).toContain("x".repeat(300));
});

test("aligns the values of named fields", () => {
  expect(
    formatFields([
      ["A", "1"],
      ["Long", "2"],
    ]),
  ).toBe("A:     1\nLong:  2");
});

test("breaks long values between words when the output is a terminal, and cuts none", () => {
  const text = formatFields([["Alert", "the clock of this fabric is five minutes ahead of ours"]], 40);
  expect(text.split("\n").every((line) => line.length <= 40)).toBe(true);
  expect(text.replaceAll(/\s+/g, " ")).toBe("Alert: the clock of this fabric is five minutes ahead of ours");
});
