import { expect, test } from "vitest";
import { rowsFromJsonCompact } from "./rows.ts";

const answer = (type: string, value: unknown): string =>
  JSON.stringify({ meta: [{ name: "x", type }], data: [[value]], rows: 1 });

test.each([
  ["UInt64", "18446744073709551615", 18446744073709551615n],
  ["Int64", "-1", -1n],
  ["UInt256", "7", 7n],
  ["Nullable(UInt64)", null, null],
  ["Array(UInt64)", ["1", "2"], [1n, 2n]],
  ["Array(Nullable(Int64))", ["1", null], [1n, null]],
  ["SimpleAggregateFunction(sum, UInt64)", "3", 3n],
  ["UInt32", 4, 4],
  ["String", "5", "5"],
  ["Float64", null, null],
  ["DateTime64(3, 'UTC')", "2026-01-01 00:00:00.000", "2026-01-01 00:00:00.000"],
])("%s %j is given as %s", (type, sent, given) => {
  expect(rowsFromJsonCompact(answer(type, sent), "bigint")).toEqual([{ x: given }]);
});

test("wide integers stay decimal digits where bigint is not wanted", () => {
  expect(rowsFromJsonCompact(answer("UInt64", "18446744073709551615"), "string")).toEqual([
    { x: "18446744073709551615" },
  ]);
});
