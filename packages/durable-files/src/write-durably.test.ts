import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeDurably } from "./write-durably.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("makes the folder, and lets nobody else read the file", async () => {
  const path = join(folder, "deep", "state.json");
  await writeDurably(path, "one");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "deep"))).mode & 0o777).toBe(0o700);
});

test("a write that fails leaves the old content, and nothing half written", async () => {
  const path = join(folder, "state.json");
  await writeDurably(path, "old");
  // A file cannot take the place of a folder that holds something: the last step fails.
  await writeDurably(join(folder, "full", "inside"), "x");
  await expect(writeDurably(join(folder, "full"), "new")).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect((await readdir(folder)).toSorted()).toEqual(["full", "state.json"]);
  expect(await readFile(path, "utf8")).toBe("old");
});

test("what a crash left half written does not stop the next write", async () => {
  const path = join(folder, "state.json");
  await writeFile(`${path}.tmp`, "hal");
  await writeDurably(path, "whole");
  expect(await readdir(folder)).toEqual(["state.json"]);
  expect(await readFile(path, "utf8")).toBe("whole");
});
