import fc from "fast-check";
import { expect, test } from "vitest";
import { sql } from "../src/index.ts";
import { eventsTable } from "./support/events-table.ts";
import { enginePid } from "./support/processes.ts";
import { anyText } from "./support/any-text.ts";
import { storeOfThisFile, testStore } from "./support/test-store.ts";

const shared = storeOfThisFile(eventsTable);
const sleeping = sql`SELECT sum(sleepEachRow(0.1)) AS slept FROM numbers(600) SETTINGS max_block_size = 1`;

test("a parameter is a value of its type, whatever text it holds", async () => {
  const { store } = shared();
  const hostile = fc.oneof(
    anyText,
    fc.constantFrom("'", "\\", "\\'", "'; DROP TABLE t; --", "{x:String}", "\n\n", "\t", "\0", "\\N", "NULL"),
  );
  await fc.assert(
    fc.asyncProperty(
      hostile,
      fc.array(hostile, { maxLength: 5 }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      async (text, texts, wide) => {
        const rows = await store.query({
          sql: sql`SELECT hex({text:String}) AS text, arrayMap(t -> hex(t), {texts:Array(String)}) AS texts, {wide:UInt64} AS wide`,
          parameters: { text, texts, wide },
        });
        const hex = (value: string): string => Buffer.from(value).toString("hex").toUpperCase();
        expect(rows).toEqual([{ text: hex(text), texts: texts.map(hex), wide }]);
      },
    ),
    { numRuns: 30 },
  );
});

test("parameters of every kind are bound by the engine", async () => {
  const { store } = shared();
  const at = new Date("2026-03-01T12:00:00.123Z");
  expect(
    await store.query({
      sql: sql`SELECT {at:DateTime64(3, 'UTC')} AS at, {flag:Bool} AS flag, {share:Float64} AS share, {none:Nullable(String)} AS none,
        {ids:Array(UInt32)} AS ids`,
      parameters: { at, flag: true, share: 0.25, none: null, ids: [1, 2] },
    }),
  ).toEqual([{ at: "2026-03-01 12:00:00.123", flag: true, share: 0.25, none: null, ids: [1, 2] }]);
});

test("a parameter that is missing, unknown or of another type is refused", async () => {
  const { store } = shared();
  const refused = expect.objectContaining({ kind: "invalid_argument", code: "COLUMNAR_PARAMETER_INVALID" });
  const query = sql`SELECT {x:UInt8} AS x`;
  await expect(store.query({ sql: query })).rejects.toEqual(refused);
  await expect(store.query({ sql: query, parameters: { x: 1, y: 2 } })).rejects.toEqual(refused);
  await expect(store.query({ sql: query, parameters: { x: "1 OR 1" } })).rejects.toEqual(refused);
});

test("nothing of one query is left for the next: no parameter, no limit, no beginning of a failed answer", async () => {
  const { store } = shared();
  await expect(
    store.query({ sql: sql`SELECT number FROM numbers(5)`, limits: { maxResultRows: 3 } }),
  ).rejects.toMatchObject({ kind: "out_of_range", code: "COLUMNAR_QUERY_LIMIT" });
  expect(await store.query({ sql: sql`SELECT count() AS n FROM numbers(5)` })).toEqual([{ n: 5n }]);
  await store.query({ sql: sql`SELECT {x:String} AS x`, parameters: { x: "secret" } });
  const leftovers = sql`SELECT name FROM system.settings WHERE changed AND name LIKE 'param%'`;
  expect(await store.query({ sql: leftovers })).toEqual([]);
});

test("a query ends at its limits of time and memory", async () => {
  const { store } = shared();
  await expect(store.query({ sql: sleeping, limits: { maxExecutionMs: 200 } })).rejects.toMatchObject({
    kind: "deadline_exceeded",
    code: "COLUMNAR_QUERY_TIMEOUT",
  });
  await expect(
    store.query({
      sql: sql`SELECT uniqExact(number) AS n FROM numbers(3000000)`,
      limits: { maxMemoryBytes: 10_000_000 },
    }),
  ).rejects.toMatchObject({ code: "COLUMNAR_QUERY_LIMIT" });
});

test("what would take more memory than the whole engine may have fails, and the engine lives", async () => {
  const { store, directory } = await testStore([], { memoryLimitBytes: 400_000_000 });
  const pid = await enginePid(directory);
  await expect(
    store.query({
      sql: sql`SELECT length(groupArray(repeat('x', 2000))) AS n FROM numbers(10000000)`,
      limits: { maxMemoryBytes: 10_000_000_000, maxExecutionMs: 60_000 },
    }),
  ).rejects.toMatchObject({ code: "COLUMNAR_QUERY_LIMIT" });
  expect(await store.query({ sql: sql`SELECT 1 AS one` })).toEqual([{ one: 1 }]);
  expect(await enginePid(directory)).toBe(pid);
});

test("a query writes nothing", async () => {
  const { store } = shared();
  for (const write of [
    sql`CREATE TABLE t (x Int8) ENGINE = Memory`,
    sql`DROP TABLE schema_migration`,
    sql`INSERT INTO schema_migration (name) SELECT 'x'`,
    sql`SET readonly = 0`,
  ]) {
    await expect(store.query({ sql: write })).rejects.toMatchObject({ code: "COLUMNAR_FAILED" });
  }
});

test("the engine has the memory that it was given, a small cache of marks, and writes no logs of its own", async () => {
  const { store } = await testStore([], { memoryLimitBytes: 600_000_000 });
  const names = sql`name IN ('max_server_memory_usage', 'mark_cache_size')`;
  expect(
    await store.query({ sql: sql`SELECT value FROM system.server_settings WHERE ${names} ORDER BY name` }),
  ).toEqual([{ value: String(64 * 1024 * 1024) }, { value: "600000000" }]);
  await store.query({ sql: sql`SELECT sleep(0.1) AS slept` });
  const logs = sql`SELECT name FROM system.tables WHERE database = 'system' AND endsWith(engine, 'MergeTree')`;
  expect(await store.query({ sql: logs })).toEqual([]);
});

test("a query that nobody waits for any more is stopped in the engine", async () => {
  const { store } = shared();
  const giveUp = new AbortController();
  const query = store.query({ sql: sleeping, limits: { maxExecutionMs: 60_000 } }, giveUp.signal);
  const running = sql`SELECT count() AS n FROM system.processes WHERE query LIKE '%sleepEachRow(0.1)%' AND query NOT LIKE '%processes%'`;
  await expect.poll(async () => store.query({ sql: running })).toEqual([{ n: 1n }]);
  giveUp.abort(new Error("the browser has gone"));
  await expect(query).rejects.toThrow("the browser has gone");
  // Its answer comes a moment before the engine has forgotten it.
  await expect.poll(async () => store.query({ sql: running })).toEqual([{ n: 0n }]);
});

test("one query more than may run and wait is refused at once, to be repeated", async () => {
  const { store } = await testStore([], { maxConcurrentQueries: 1, maxWaitingQueries: 1 });
  const giveUp = new AbortController();
  const running = store.query({ sql: sleeping }, giveUp.signal);
  const waiting = store.query({ sql: sql`SELECT 1 AS one` });
  await expect(store.query({ sql: sql`SELECT 2 AS two` })).rejects.toMatchObject({
    kind: "resource_exhausted",
    code: "COLUMNAR_OVERLOADED",
  });
  giveUp.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
  expect(await waiting).toEqual([{ one: 1 }]);
});
