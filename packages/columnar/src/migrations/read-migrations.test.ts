import { expect, test } from "vitest";
import { splitStatements } from "./read-migrations.ts";

test("statements end with a semicolon at the end of a line; comments and blank lines are left out", () => {
  const text =
    "-- one; not this\nCREATE TABLE a (\n\n  x Int8 -- kept; inside\n) ENGINE = Memory;\nDROP TABLE b; -- gone\nSELECT ';x'\n";
  expect(splitStatements(text)).toEqual([
    "CREATE TABLE a (\n  x Int8 -- kept; inside\n) ENGINE = Memory",
    "DROP TABLE b",
    "SELECT ';x'",
  ]);
});
