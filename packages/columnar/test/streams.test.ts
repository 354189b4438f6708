import { writeFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sql, type StreamFormat } from "../src/index.ts";
import { storeOfThisFile } from "./support/test-store.ts";

const shared = storeOfThisFile();
const rows = 200_000;
const numbers = { sql: sql`SELECT number, toString(number) AS text FROM numbers({rows:UInt64})`, parameters: { rows } };

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

test("CSV has its header once and all rows", async () => {
  const { store } = shared();
  const lines = (await collect(store.stream({ ...numbers, format: "CSVWithNames" }))).toString().split("\n");
  expect(lines.slice(0, 2)).toEqual(['"number","text"', '0,"0"']);
  expect(lines.at(-2)).toBe(`${String(rows - 1)},"${String(rows - 1)}"`);
  expect(lines.length).toBe(rows + 2);
  const none = store.stream({ ...numbers, parameters: { rows: 0 }, format: "CSVWithNames" });
  expect((await collect(none)).toString()).toBe('"number","text"\n');
});

test("JSON lines hold all rows", async () => {
  const { store } = shared();
  const lines = (await collect(store.stream({ ...numbers, format: "JSONEachRow" }))).toString().split("\n");
  expect(lines.length).toBe(rows + 1);
  expect(JSON.parse(lines[rows - 1] ?? "")).toEqual({ number: String(rows - 1), text: String(rows - 1) });
});

test("Parquet is a whole file that reads back, and leaves nothing behind", async () => {
  const { store, spool, directory } = shared();
  const path = join(spool, "numbers.parquet");
  await writeFile(path, await collect(store.stream({ ...numbers, format: "Parquet" })));
  const read = sql`SELECT count() AS n, sum(number) AS total FROM file({path:String}, 'Parquet')`;
  await expect(store.query({ sql: read, parameters: { path } })).resolves.toEqual([
    { n: BigInt(rows), total: BigInt((rows * (rows - 1)) / 2) },
  ]);
  expect(await readdir(join(directory, "exports"))).toEqual([]);
});

const endless = {
  sql: sql`SELECT number, sleepEachRow(0.01) AS slept FROM numbers(100000) SETTINGS max_block_size = 10`,
};
const running = sql`SELECT count() AS n FROM system.processes WHERE query LIKE '%sleepEachRow(0.01)%' AND query NOT LIKE '%processes%'`;

test.each<StreamFormat>(["CSVWithNames", "JSONEachRow", "Parquet"])(
  "an aborted %s stream is stopped in the engine",
  async (format) => {
    const { store, directory } = shared();
    const giveUp = new AbortController();
    const reading = collect(store.stream({ ...endless, format }, giveUp.signal));
    await expect.poll(async () => store.query({ sql: running })).toEqual([{ n: 1n }]);
    giveUp.abort(new Error("the browser has gone"));
    await expect(reading).rejects.toThrow("the browser has gone");
    await expect.poll(async () => store.query({ sql: running })).toEqual([{ n: 0n }]);
    expect(await readdir(join(directory, "exports"))).toEqual([]);
  },
);

test("a reader that leaves in the middle stops the engine", async () => {
  const { store } = shared();
  for await (const _piece of store.stream({ ...endless, format: "JSONEachRow" })) break;
  await expect.poll(async () => store.query({ sql: running })).toEqual([{ n: 0n }]);
});

test("an engine that is ahead of its reader waits for him", async () => {
  const { store } = shared();
  const many = { sql: sql`SELECT number FROM numbers(100000000)`, format: "JSONEachRow" } as const;
  const stream = store.stream(many)[Symbol.asyncIterator]();
  await stream.next();
  await stream.next();
  const progress = sql`SELECT read_rows FROM system.processes WHERE query LIKE '%numbers(100000000)%' AND query NOT LIKE '%processes%'`;
  const [before] = await store.query({ sql: progress });
  await store.query({ sql: sql`SELECT sleep(0.5) AS slept` });
  const [after] = await store.query({ sql: progress });
  expect(before).toBeDefined();
  expect(Number(after?.["read_rows"])).toBeLessThan(20_000_000);
  await stream.return?.();
});

test("an error in the middle of a stream reaches its reader", async () => {
  const { store } = shared();
  const failing = {
    sql: sql`SELECT throwIf(number = 3000000) AS x FROM numbers(10000000)`,
    format: "JSONEachRow",
  } as const;
  await expect(collect(store.stream(failing))).rejects.toMatchObject({ code: "COLUMNAR_FAILED" });
  expect(await store.query({ sql: sql`SELECT 1 AS one` })).toEqual([{ one: 1 }]);
});

test("more exports than may run and wait are refused, and queries are not held up", async () => {
  const { store } = shared();
  const giveUp = new AbortController();
  const open = Array.from({ length: 10 }, () =>
    store.stream({ ...endless, format: "JSONEachRow" }, giveUp.signal)[Symbol.asyncIterator](),
  );
  const first = open.map((stream) => stream.next());
  await first[0];
  await expect(collect(store.stream({ ...endless, format: "JSONEachRow" }))).rejects.toMatchObject({
    code: "COLUMNAR_OVERLOADED",
  });
  expect(await store.query({ sql: sql`SELECT 1 AS one` })).toEqual([{ one: 1 }]);
  giveUp.abort(new Error("enough"));
  await Promise.allSettled(first);
});
