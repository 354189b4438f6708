import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeNewFile } from "./new-file-from-stream.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-file-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const quietly = { replace: false, onBytes: () => undefined };

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test("a file stands at its path when it is whole, not before", async () => {
  const seen: (readonly string[])[] = [];
  const path = join(folder, "file");
  const source = async function* watched() {
    yield Buffer.from("one,");
    seen.push(await readdir(folder));
    yield Buffer.from("two");
  };
  expect(await writeNewFile(path, source(), quietly)).toBe(7);
  expect(seen[0]).toEqual([expect.stringMatching(/^file\.\w+\.partial$/)]);
  expect(await readdir(folder)).toEqual(["file"]);
  expect(await readFile(path, "utf8")).toBe("one,two");
});

test("of pieces that end with an error nothing is left, and what was there stays", async () => {
  const path = join(folder, "file");
  await writeFile(path, "before");
  const broken = async function* broken() {
    yield Buffer.from("half");
    throw new Error("cut");
  };
  await expect(writeNewFile(path, broken(), { ...quietly, replace: true })).rejects.toThrow("cut");
  expect(await readdir(folder)).toEqual(["file"]);
  expect(await readFile(path, "utf8")).toBe("before");
});

test("a file that is there is replaced only where that was said", async () => {
  const path = join(folder, "file");
  await writeFile(path, "before");
  await expect(writeNewFile(path, pieces("after"), quietly)).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  expect(await readFile(path, "utf8")).toBe("before");
  await writeNewFile(path, pieces("after"), { ...quietly, replace: true });
  expect(await readFile(path, "utf8")).toBe("after");
});

test("a folder that is not there is said to be unwritable", async () => {
  await expect(writeNewFile(join(folder, "no/file"), pieces("x"), quietly)).rejects.toMatchObject({
    code: "FILE_UNWRITABLE",
  });
});
