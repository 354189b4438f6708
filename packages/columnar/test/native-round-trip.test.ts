import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  boolColumn,
  createNativeBlockWriter,
  dateTime64Column,
  dateTimeColumn,
  float32Column,
  float64Column,
  int64Column,
  ipv6Column,
  lowCardinalityColumn,
  sql,
  stringColumn,
  uint16Column,
  uint32Column,
  uint64Column,
  uint8Column,
} from "../src/index.ts";
import { anyText } from "./support/any-text.ts";
import { migration, testStore } from "./support/test-store.ts";

const allTypes = migration(
  "0001_create_all_types",
  `CREATE TABLE IF NOT EXISTS all_types (
    n UInt32, u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64, i64 Int64, f32 Float32, f64 Float64,
    at DateTime('UTC'), at_ms DateTime64(3, 'UTC'), ip IPv6, text String, word LowCardinality(String), flag Bool
  ) ENGINE = MergeTree ORDER BY n`,
);

const anyValue = fc.oneof(
  anyText,
  fc.constantFrom("", "\n", "\n\n", "a\n\nDROP TABLE all_types;\n", "'", "\\", "\0", "\t", "ä€😀", "x".repeat(70_000)),
);
const anyRow = fc.record({
  u8: fc.integer({ min: 0, max: 0xff }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  u32: fc.integer({ min: 0, max: 0xffff_ffff }),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i64: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger()),
  f32: fc.float({ noDefaultInfinity: true, noNaN: true }),
  f64: fc.double({ noDefaultInfinity: true, noNaN: true }),
  at: fc.integer({ min: 0, max: 0xffff_ffff }),
  atMs: fc.integer({ min: -2_000_000_000_000, max: 9_000_000_000_000 }),
  ip: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  text: anyValue,
  word: anyValue,
  flag: fc.boolean(),
});

test("what is written as a block is read back from the engine, value for value", async () => {
  const { store, spool } = await testStore([allTypes]);
  const writer = createNativeBlockWriter({
    n: uint32Column(),
    u8: uint8Column(),
    u16: uint16Column(),
    u32: uint32Column(),
    u64: uint64Column(),
    i64: int64Column(),
    f32: float32Column(),
    f64: float64Column(),
    at: dateTimeColumn(),
    at_ms: dateTime64Column(),
    ip: ipv6Column(),
    text: stringColumn(),
    word: lowCardinalityColumn(),
    flag: boolColumn(),
  });
  let files = 0;
  let firstRow = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: 150 }), async (rows) => {
      files += 1;
      const { columns } = writer;
      for (const [index, row] of rows.entries()) {
        columns.n.push(firstRow + index);
        columns.u8.push(row.u8);
        columns.u16.push(row.u16);
        columns.u32.push(row.u32);
        columns.u64.push(row.u64);
        columns.i64.push(row.i64);
        columns.f32.push(row.f32);
        columns.f64.push(row.f64);
        columns.at.push(row.at);
        columns.at_ms.push(row.atMs);
        columns.ip.push(row.ip);
        columns.text.push(row.text);
        columns.word.push(row.word);
        columns.flag.push(row.flag ? 1 : 0);
      }
      const path = join(spool, `${String(files)}.native`);
      await writer.writeFile(path);
      await store.insertFile({ table: "all_types", path, token: String(files) });
      const read = await store.query({
        sql: sql`SELECT u8, u16, u32, u64, i64, reinterpretAsUInt32(f32) AS f32, reinterpretAsUInt64(f64) AS f64,
          toUInt32(at) AS at, toUnixTimestamp64Milli(at_ms) AS at_ms, hex(ip) AS ip, hex(text) AS text, hex(word) AS word, flag
          FROM all_types WHERE n >= {first:UInt32} ORDER BY n`,
        parameters: { first: firstRow },
      });
      firstRow += rows.length;
      expect(read).toEqual(
        rows.map((row) => ({
          u8: row.u8,
          u16: row.u16,
          u32: row.u32,
          u64: row.u64,
          i64: BigInt(row.i64),
          f32: new DataView(Float32Array.of(row.f32).buffer).getUint32(0, true),
          f64: new DataView(Float64Array.of(row.f64).buffer).getBigUint64(0, true),
          at: row.at,
          at_ms: BigInt(row.atMs),
          ip: hex(row.ip),
          text: hex(Buffer.from(row.text)),
          word: hex(Buffer.from(row.word)),
          flag: row.flag,
        })),
      );
    }),
    { numRuns: 12 },
  );
});

test("dictionaries of 1, 256, 257, 65 536 and 65 537 strings are read back with every row's own", async () => {
  const create = `CREATE TABLE IF NOT EXISTS words (keys UInt32, n UInt32, word LowCardinality(String))
    ENGINE = MergeTree ORDER BY (keys, n)`;
  const { store, spool } = await testStore([migration("0001_create_words", create)]);
  const writer = createNativeBlockWriter({ keys: uint32Column(), n: uint32Column(), word: lowCardinalityColumn() });
  for (const keys of [1, 256, 257, 65_536, 65_537]) {
    for (let row = 0; row < keys + 3; row += 1) {
      writer.columns.keys.push(keys);
      writer.columns.n.push(row);
      writer.columns.word.push(row % keys === 0 ? "" : `w${String(row % keys)}`);
    }
    const path = join(spool, `${String(keys)}.native`);
    await writer.writeFile(path);
    await store.insertFile({ table: "words", path, token: String(keys) });
  }
  const expected = sql`if(n % keys = 0, '', concat('w', toString(n % keys)))`;
  expect(
    await store.query({
      sql: sql`SELECT keys, count() AS rows, uniqExact(word) AS words, countIf(word != ${expected}) AS wrong
        FROM words GROUP BY keys ORDER BY keys`,
      wideIntegers: "string",
    }),
  ).toEqual(
    [1, 256, 257, 65_536, 65_537].map((keys) => ({
      keys,
      rows: String(keys + 3),
      words: String(keys),
      wrong: "0",
    })),
  );
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").toUpperCase();
}
