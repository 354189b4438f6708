import { globSync, readFileSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import * as publicDoor from "../src/index.ts";
import { sql, type ColumnarStore } from "../src/index.ts";
import { eventsTable, writeEvents } from "./support/events-table.ts";
import { runFixture } from "./support/processes.ts";
import { testStore } from "./support/test-store.ts";

const counts = sql`SELECT
  (SELECT (count(), sum(n), uniqExact(n)) FROM events) AS raw,
  (SELECT (sum(requests), sum(total)) FROM events_by_api) AS rolled_up`;

async function countsOf(store: ColumnarStore): Promise<unknown> {
  const [row] = await store.query({ sql: counts, wideIntegers: "string" });
  return row;
}

test("trap 1: chdb's own insert runs what follows a blank line as SQL", async () => {
  await using folder = await tempDir();
  const { message } = await runFixture("raw-insert", [folder.path]);
  expect(message).toEqual([[1, 666]]);
});

test("trap 1: data is data, whatever it says", async () => {
  const { store, spool } = await testStore(eventsTable);
  const note = "first\n\nINSERT INTO events (n) VALUES (666);\n\nDROP TABLE events;\n\n'); DROP TABLE events; --";
  const path = await writeEvents(spool, "1", { rows: 3, note });
  await store.insertFile({ table: "events", path, token: "1" });
  expect(await store.query({ sql: sql`SELECT n, note FROM events ORDER BY n` })).toEqual(
    [0, 1, 2].map((n) => ({ n, note })),
  );
});

test("trap 1: nothing that the package gives out takes bytes or text as rows", () => {
  expect(Object.keys(publicDoor).filter((name) => /insert|session|exec|raw/i.test(name))).toEqual([]);
  const sources = join(import.meta.dirname, "../src");
  const files = globSync("**/*.ts", { cwd: sources }).filter((name) => !name.endsWith(".test.ts"));
  const callers = files.filter((name) => /\.insert\(|insertRaw/i.test(readFileSync(join(sources, name), "utf8")));
  expect(files.length).toBeGreaterThan(10);
  expect(callers).toEqual([]);
});

test("a token inserts once: into the table, both its partitions, and the view behind it; also after a restart", async () => {
  const { store, spool, again } = await testStore(eventsTable);
  const path = await writeEvents(spool, "1", { rows: 1_000 });
  const once = { raw: ["1000", "499500", "1000"], rolled_up: ["1000", "499500"] };
  await store.insertFile({ table: "events", path, token: "1" });
  expect(await countsOf(store)).toEqual(once);
  await store.insertFile({ table: "events", path, token: "1" });
  expect(await countsOf(store)).toEqual(once);
  await store.stop(AbortSignal.timeout(10_000));
  const next = again();
  await next.start(AbortSignal.timeout(240_000));
  await next.insertFile({ table: "events", path, token: "1" });
  expect(await countsOf(next)).toEqual(once);
  // The same rows under another token are other events.
  await next.insertFile({ table: "events", path, token: "2" });
  expect(await countsOf(next)).toEqual({ raw: ["2000", "999000", "1000"], rolled_up: ["2000", "999000"] });
});

test("a file of which ClickHouse would make more than the one it names is refused", async () => {
  const { store, spool } = await testStore(eventsTable);
  const path = await writeEvents(spool, "1", { rows: 1 });
  await mkdir(join(spool, "folder.native"));
  await symlink(path, join(spool, "link.native"));
  const paths = ["*.native", "{1,2}.native", "1?.native", "a.zip :: 1.native", "it's.native", "folder.native"].map(
    (name) => join(spool, name),
  );
  for (const bad of [
    ...paths,
    join(spool, "link.native"),
    join(spool, "gone.native"),
    "1.native",
    `${spool}/x/../1.native`,
    `${path}.gz`,
  ]) {
    await expect(store.insertFile({ table: "events", path: bad, token: "1" }), bad).rejects.toMatchObject({
      code: "COLUMNAR_INSERT_INVALID",
    });
  }
  await expect(store.insertFile({ table: "events; --", path, token: "1" })).rejects.toMatchObject({
    code: "COLUMNAR_PARAMETER_INVALID",
  });
  await expect(store.insertFile({ table: "events", path, token: "" })).rejects.toMatchObject({
    code: "COLUMNAR_INSERT_INVALID",
  });
});

test("a file that was cut short inserts nothing", async () => {
  const { store, spool } = await testStore(eventsTable);
  const whole = await writeEvents(spool, "1", { rows: 1_000 });
  const bytes = await readFile(whole);
  const torn = join(spool, "torn.native");
  await writeFile(torn, bytes.subarray(0, bytes.length - 100));
  await expect(store.insertFile({ table: "events", path: torn, token: "1" })).rejects.toMatchObject({
    code: "COLUMNAR_FAILED",
  });
  expect(await countsOf(store)).toEqual({ raw: ["0", "0", "0"], rolled_up: ["0", "0"] });
});
