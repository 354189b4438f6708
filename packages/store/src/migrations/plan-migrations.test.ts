import { expect, test } from "vitest";
import { planMigrations } from "./plan-migrations.ts";
import type { Migration } from "./read-migrations.ts";

const file = (name: string, checksum = `sum of ${name}`): Migration => ({ name, checksum, sql: "SELECT 1" });
const files = [file("0001_a.sql"), file("0002_b.sql"), file("0003_c.sql")];

test("plans what was not applied, in order", () => {
  expect(planMigrations(files, []).map(({ name }) => name)).toEqual(["0001_a.sql", "0002_b.sql", "0003_c.sql"]);
  expect(planMigrations(files, files.slice(0, 2)).map(({ name }) => name)).toEqual(["0003_c.sql"]);
  expect(planMigrations(files, files)).toEqual([]);
});

test.each([
  ["a changed file", [file("0001_a.sql", "other"), ...files.slice(1)], "STORE_MIGRATION_CHANGED"],
  ["a missing file", files.slice(1), "STORE_MIGRATION_CHANGED"],
  ["a renamed file", [file("0001_x.sql", "sum of 0001_a.sql"), ...files.slice(1)], "STORE_MIGRATION_CHANGED"],
])("refuses %s that was applied", (_what, present, code) => {
  expect(() => planMigrations(present, files.slice(0, 2))).toThrow(expect.objectContaining({ code }));
});

test("refuses a new file that comes before an applied one", () => {
  const late = [file("0001_a.sql"), file("0002_b.sql"), file("0003_c.sql")];
  expect(() => planMigrations(late, [file("0001_a.sql"), file("0003_c.sql")])).toThrow(
    expect.objectContaining({ code: "STORE_MIGRATION_ORDER" }),
  );
});

test("accepts a schema that is newer than all its files: an older image beside a newer one", () => {
  expect(planMigrations(files.slice(0, 2), files)).toEqual([]);
});
