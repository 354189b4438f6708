import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findFakeTime } from "./find-fake-time.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-find-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("what is installed is taken", async () => {
  const library = join(folder, "libfaketimeMT.so.1");
  await writeFile(library, "");
  expect(await findFakeTime({ installed: [library], cacheDir: folder, aptGet: "/nowhere/apt-get" })).toEqual({
    path: library,
  });
});

test("what an earlier call unpacked is taken", async () => {
  const cacheDir = join(folder, "cache");
  const unpacked = join(cacheDir, "libfaketime-system/usr/lib/x86_64-linux-gnu/faketime");
  await mkdir(unpacked, { recursive: true });
  await writeFile(join(unpacked, "libfaketimeMT.so.1"), "");
  expect(await findFakeTime({ installed: [], cacheDir, aptGet: "/nowhere/apt-get" })).toEqual({
    path: join(unpacked, "libfaketimeMT.so.1"),
  });
});

test("where it cannot be got, it says why and what to install, and leaves nothing", async () => {
  const aptGet = join(folder, "apt-get");
  await writeFile(aptGet, "#!/bin/sh\necho 'E: no such package' >&2\nexit 100\n");
  await chmod(aptGet, 0o755);
  for (const command of [aptGet, "/nowhere/apt-get"]) {
    const found = await findFakeTime({ installed: [], cacheDir: join(folder, "empty"), aptGet: command });
    expect(found).toEqual({
      missing: expect.stringMatching(/\((E: no such package|.*ENOENT)\).*apt-get install faketime/),
    });
  }
});
