import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createNativeBlockWriter } from "./native-block-writer.ts";
import { boolColumn, dateTimeColumn, int64Column, uint16Column, uint64Column, uint8Column } from "./numeric-columns.ts";
import { ipv6Column, lowCardinalityColumn, stringColumn } from "./text-columns.ts";

const invalid = expect.objectContaining({ code: "COLUMNAR_BLOCK_INVALID" });

test.each([
  [uint8Column, 256],
  [uint8Column, -1],
  [uint16Column, 1.5],
  [dateTimeColumn, Number.NaN],
  [boolColumn, 256],
  [uint64Column, -1],
  [uint64Column, 2 ** 53],
  [int64Column, 0.5],
] as const)("a column refuses what it would change: %o %d", (column, value) => {
  expect(() => column().push(value)).toThrow(invalid);
});

test.each([
  [uint64Column, -1n],
  [uint64Column, 2n ** 64n],
  [int64Column, 2n ** 63n],
] as const)("a column refuses a bigint beyond its 64 bits: %o %s", (column, value) => {
  expect(() => column().push(value)).toThrow(invalid);
});

test("an address has sixteen bytes", () => {
  expect(() => ipv6Column().push(new Uint8Array(4))).toThrow(invalid);
});

test("refuses columns of different length, whatever stands in them", () => {
  const writer = createNativeBlockWriter({ a: uint8Column(), b: stringColumn() });
  writer.columns.a.push(1);
  expect(() => writer.encode()).toThrow("the column b has 0 rows");
});

test("a block has the layout of the Native format", () => {
  const writer = createNativeBlockWriter({ a: uint16Column(), w: lowCardinalityColumn() });
  for (const word of ["x", "y", "x"]) {
    writer.columns.a.push(0x0a0a);
    writer.columns.w.push(word);
  }
  const ascii = (text: string): string => Buffer.from(text).toString("hex");
  const u64 = (low: string): string => low.padEnd(16, "0");
  expect(Buffer.concat(writer.encode()).toString("hex")).toBe(
    [
      "0203",
      `01${ascii("a")}06${ascii("UInt16")}0a0a0a0a0a0a`,
      `01${ascii("w")}16${ascii("LowCardinality(String)")}`,
      `${u64("01")}${u64("0002")}${u64("02")}01${ascii("x")}01${ascii("y")}`,
      `${u64("03")}000100`,
    ].join(""),
  );
});

test("a file appears whole under its name, and the writer begins anew", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-native-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const writer = createNativeBlockWriter({ w: lowCardinalityColumn() });
  writer.columns.w.push("first");
  const expected = Buffer.concat(writer.encode());
  expect(await writer.writeFile(join(folder, "1.native"))).toEqual({ rows: 1, sizeBytes: expected.length });
  expect(await readdir(folder)).toEqual(["1.native"]);
  expect(await readFile(join(folder, "1.native"))).toEqual(expected);
  expect(writer.rows).toBe(0);
  writer.columns.w.push("second");
  expect(Buffer.concat(writer.encode()).includes("first")).toBe(false);
});

test("rows stay in the writer when their file cannot be written", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-native-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "1.native"));
  const writer = createNativeBlockWriter({ a: uint8Column() });
  writer.columns.a.push(1);
  await expect(writer.writeFile(join(folder, "1.native"))).rejects.toThrow();
  expect(writer.rows).toBe(1);
});

test("many rows at once are the same as one after the other, across growths of the column", () => {
  const ids = Uint32Array.from({ length: 3_000 }, (_, row) => row % 7);
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const [one, many] = [lowCardinalityColumn(), lowCardinalityColumn()];
  for (const column of [one, many]) for (const name of names) column.idOf(name);
  for (const id of ids) one.pushId(id);
  many.pushIds(ids.subarray(0, 10));
  many.pushIds(ids.subarray(10));
  expect(many.rows).toBe(one.rows);
  expect(many.encode()).toEqual(one.encode());

  const chosen = lowCardinalityColumn();
  const numbers = Uint32Array.from(names, (name) => chosen.idOf(name));
  chosen.pushSame(numbers[0] ?? 0, 1);
  chosen.pushChosen(numbers, ids.subarray(1));
  expect(chosen.encode()).toEqual(one.encode());

  const addresses = Uint8Array.from({ length: 7 * 16 + 1 }, (_, index) => index).subarray(1); // begins anywhere
  const [alone, together] = [ipv6Column(), ipv6Column()];
  for (const id of ids) alone.push(addresses.subarray(id * 16, (id + 1) * 16));
  together.pushChosen(addresses, ids);
  expect(together.rows).toBe(alone.rows);
  expect(together.encode()).toEqual(alone.encode());

  const [each, all] = [uint64Column(), uint64Column()];
  for (const id of ids) each.pushHalves(id, id + 1);
  const halves = Uint32Array.from({ length: 6_000 }, (_, half) => (ids[half >> 1] ?? 0) + (half & 1));
  all.pushAllHalves(halves.subarray(0, 20));
  all.pushAllHalves(halves.subarray(20));
  expect(all.rows).toBe(each.rows);
  expect(all.encode()).toEqual(each.encode());
});
