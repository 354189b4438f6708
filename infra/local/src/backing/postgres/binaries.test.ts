import { access, chmod, constants, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { silentProgress } from "../local-progress.ts";
import { runCommand } from "../run-command.ts";
import { copyBinaries, findPostgresBinaries, isReachableByAll } from "./binaries.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "drawbridge-binaries-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

test("sees that a folder below a private one is out of reach for others", async () => {
  const outer = await folder();
  const inner = join(outer, "inner");
  await mkdir(inner, { mode: 0o755 });
  expect(await isReachableByAll(inner)).toBe(false);
  await chmod(outer, 0o755);
  expect(await isReachableByAll(inner)).toBe(true);
});

test("copies programs that run to a place that everybody reaches, once", async () => {
  const cacheDir = await folder();
  await chmod(cacheDir, 0o755);
  const original = await findPostgresBinaries({ runAs: { user: "self" }, progress: silentProgress });
  const said: string[] = [];
  const progress = { progress: (message: string) => void said.push(message), warn: () => undefined };
  const native = { path: join(original.postgres, "..", ".."), version: "test" };
  const copies = await Promise.all([
    copyBinaries(native, cacheDir, progress),
    copyBinaries(native, cacheDir, progress),
  ]);
  expect(await copyBinaries(native, cacheDir, progress)).toEqual(copies[0]);
  expect(await isReachableByAll(join(copies[0].postgres, ".."))).toBe(true);
  await access(copies[0].initdb, constants.X_OK);
  const version = await runCommand(copies[0].postgres, ["--version"]);
  expect(version).toMatchObject({ outcome: "exited", exitCode: 0 });
  expect(said.length).toBeLessThanOrEqual(2); // the two that started together; not the third
});
