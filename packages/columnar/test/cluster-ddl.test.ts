import { glob } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { readColumnarMigrations, sql } from "../src/index.ts";
import { fillDdl } from "../src/migrations/fill-ddl.ts";
import { storeOfThisFile } from "./support/test-store.ts";

const root = join(import.meta.dirname, "../../..");
const testStore = storeOfThisFile();

/** The statements of every service's columnar migrations, for a named cluster. */
async function statements(): Promise<readonly string[]> {
  const folders = new Set<string>();
  for await (const file of glob("apps/*/*/migrations*/*.sql", { cwd: root })) folders.add(dirname(join(root, file)));
  const filled: string[] = [];
  for (const folder of folders) {
    const migrations = await readColumnarMigrations(folder);
    const isColumnar = migrations.some((each) => each.statements.some((text) => text.includes("${engine:")));
    if (!isColumnar) continue;
    for (const statement of migrations.flatMap((each) => each.statements)) {
      const text = fillDdl(statement, { kind: "cluster", cluster: "main", database: "telemetry" });
      if (text !== undefined) filled.push(text);
    }
  }
  return filled;
}

test("what services make in a named cluster is ClickHouse's own syntax, and on all of it: replicated, and distributed", async () => {
  const { store } = testStore();
  const all = await statements();
  expect(all.length).toBeGreaterThan(10);
  for (const statement of all) {
    const [row] = await store.query({
      sql: sql`SELECT formatQuerySingleLine({statement:String}) AS parsed`,
      parameters: { statement },
    });
    const parsed = String(row?.["parsed"]);
    if (!parsed.startsWith("CREATE")) continue;
    expect(parsed).toMatch(/^CREATE (TABLE|MATERIALIZED VIEW) IF NOT EXISTS \S+ ON CLUSTER (main|`main`) /);
    if (parsed.startsWith("CREATE TABLE")) expect(parsed).toMatch(/ENGINE = (Replicated\w*MergeTree|Distributed)\(/);
  }
});
