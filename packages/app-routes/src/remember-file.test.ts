import { mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { rememberFile } from "./remember-file.ts";
import { readStateFile, writeStateFile } from "./state-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drawbridge-remember-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a file is read once as long as it is the same, and again when it was replaced", () => {
  const path = join(folder, "endpoints.json");
  let reads = 0;
  const read = rememberFile(path, (name) => {
    reads += 1;
    return readStateFile(name);
  });
  writeStateFile(path, { sequence: 1 });
  const first = read();
  expect(first).toEqual({ sequence: 1 });
  expect(read()).toBe(first);
  expect(reads).toBe(1);
  writeStateFile(path, { sequence: 2 });
  expect(read()).toEqual({ sequence: 2 });
});

test("a file that is overwritten in place is read again, and one that is cut short until it is whole", () => {
  const path = join(folder, "endpoints.json");
  const read = rememberFile(path, readStateFile);
  writeFileSync(path, '{"sequence":1}');
  expect(read()).toEqual({ sequence: 1 });
  writeFileSync(path, '{"sequence":2}');
  utimesSync(path, 1, 1); // another time than a moment ago, also where the clock of the disk is coarse
  expect(read()).toEqual({ sequence: 2 });
  writeFileSync(path, '{"sequ');
  expect(read()).toBeUndefined();
  expect(read()).toBeUndefined();
  unlinkSync(path);
  expect(read()).toBeUndefined();
});
