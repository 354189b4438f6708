import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { linkUnpackedBundle, removeUnpackedBundle } from "../src/index.ts";

test("a bundle's second place has the same files, read-only, without taking their room again", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "link-bundle-"));
  const source = join(folder.path, "source");
  const target = join(folder.path, "target");
  mkdirSync(join(source, "lib"), { recursive: true });
  writeFileSync(join(source, "lib/run"), "run", { mode: 0o555 });
  symlinkSync("lib/run", join(source, "run"));
  chmodSync(join(source, "lib"), 0o555);

  await Promise.all([linkUnpackedBundle(source, target), linkUnpackedBundle(source, target)]);
  expect(readFileSync(join(target, "lib/run"), "utf8")).toBe("run");
  expect(readlinkSync(join(target, "run"))).toBe("lib/run");
  expect(lstatSync(join(target, "lib/run")).ino).toBe(lstatSync(join(source, "lib/run")).ino);
  for (const path of ["", "lib", "lib/run"]) expect(lstatSync(join(target, path)).mode & 0o777, path).toBe(0o555);
  expect(readdirSync(folder.path).toSorted()).toEqual(["source", "target"]);

  await removeUnpackedBundle(source);
  expect(readFileSync(join(target, "run"), "utf8")).toBe("run");
  await removeUnpackedBundle(target);
});

test("nothing is left of a second place that cannot be made", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "link-bundle-"));
  await expect(linkUnpackedBundle(join(folder.path, "missing"), join(folder.path, "target"))).rejects.toThrow("ENOENT");
  expect(readdirSync(folder.path)).toEqual([]);
});
