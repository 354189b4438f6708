import { stat } from "node:fs/promises";
import { join } from "node:path";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createSpaceReserve } from "./space-reserve.ts";

const diskFull = (): Error => Object.assign(new Error("no space left on device"), { code: "ENOSPC" });

test("gives the reserve up when the disk is full, and does the work once more", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "reserve");
  const reserve = createSpaceReserve({ path, sizeBytes: 4096 });
  let attempts = 0;
  const result = await reserve.use(async () => {
    attempts += 1;
    const held = await stat(path).then(
      ({ size }) => size,
      () => 0,
    );
    if (attempts === 1) throw diskFull();
    return held;
  });
  expect({ attempts, result }).toEqual({ attempts: 2, result: 0 });
});

test("holds the space again as soon as there is room", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "reserve");
  const reserve = createSpaceReserve({ path, sizeBytes: 4096 });
  await expect(reserve.use(() => Promise.reject(diskFull()))).rejects.toThrow("no space");
  await reserve.use(() => Promise.resolve());
  expect((await stat(path)).size).toBe(4096);
});

test("leaves every other failure as it is, and the reserve too", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "reserve");
  const reserve = createSpaceReserve({ path, sizeBytes: 4096 });
  await expect(reserve.use(() => Promise.reject(new Error("other")))).rejects.toThrow("other");
  expect((await stat(path)).size).toBe(4096);
});
