import { expect, test } from "vitest";
import { checksumOf, planMigrations } from "./plan-migrations.ts";

const a = {
  name: "0001_a",
  statements: ["CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = ${engine:MergeTree} ORDER BY x"],
};
const b = { name: "0002_b", statements: ["ALTER TABLE ${local:a} ${on_cluster} ADD COLUMN IF NOT EXISTS y Int8"] };
const applied = (...migrations: readonly (typeof a)[]) =>
  migrations.map((migration) => ({ name: migration.name, checksum: checksumOf(migration) }));

test("plans what was not applied, in order", () => {
  expect(planMigrations([a, b], [])).toEqual([a, b]);
  expect(planMigrations([a, b], applied(a))).toEqual([b]);
  expect(planMigrations([a, b], applied(a, b))).toEqual([]);
});

test.each([
  ["changed", [{ ...a, statements: [`${String(a.statements[0])} -- x`] }, b], "COLUMNAR_MIGRATION_CHANGED"],
  ["missing, so a newer program was here", [a], "COLUMNAR_MIGRATION_UNKNOWN"],
])("refuses when an applied migration is %s", (_how, migrations, code) => {
  expect(() => planMigrations(migrations, applied(a, b))).toThrow(
    expect.objectContaining({ code, kind: "failed_precondition" }),
  );
});

test("refuses a new migration that stands before an applied one", () => {
  expect(() => planMigrations([a, b], applied(b))).toThrow(
    expect.objectContaining({ code: "COLUMNAR_MIGRATION_CHANGED" }),
  );
});

test.each([
  ["a name without number", [{ name: "a", statements: [] }]],
  ["names out of order", [b, a]],
  ["the same name twice", [a, a]],
])("refuses %s", (_what, migrations) => {
  expect(() => planMigrations(migrations, [])).toThrow(expect.objectContaining({ code: "COLUMNAR_MIGRATION_INVALID" }));
});

test.each([
  ["CREATE TABLE t (a Int8) ENGINE = Memory", false],
  ["DROP TABLE t", false],
  ["INSERT INTO t VALUES (1)", false],
  ["ALTER TABLE t ADD COLUMN y Int8", false],
  ["DROP TABLE IF EXISTS t", true],
  ["CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1", true],
  ["ALTER TABLE t MODIFY TTL ts + INTERVAL 1 DAY", true],
  ["${distributed:t:rand()}", true],
])("%s may be in a migration: %s", (statement, verdict) => {
  const plan = () => planMigrations([{ name: "0001_x", statements: [statement] }], []);
  if (verdict) expect(plan()).toHaveLength(1);
  else expect(plan).toThrow("not safe to run twice");
});
