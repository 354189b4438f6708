import { execFile } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { appPaths } from "../../src/cluster/process/app-folder.ts";
import { anApp, eventually, get, never, nextRevision, observed } from "./harness.ts";
import { openProcessCluster } from "./process-cluster.ts";

const run = promisify(execFile);

/** A file system of 2 MiB of its own. Mounting takes root; the run that decides (CI) is. */
async function smallDisk() {
  const folder = await tempDir();
  await run("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder.path]);
  const ballast = join(folder.path, "ballast");
  return {
    path: folder.path,
    fill() {
      const file = openSync(ballast, "a");
      try {
        for (;;) writeSync(file, Buffer.alloc(4_096));
      } catch {
        closeSync(file); // full now
      }
    },
    free: () => rmSync(ballast),
    [Symbol.asyncDispose]: async () => {
      await run("umount", ["--lazy", folder.path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}

test.skipIf(process.getuid?.() !== 0)(
  "on a full disk the running version serves on and restarts, a new one is refused as DiskFull and leaves nothing behind",
  async () => {
    await using disk = await smallDisk();
    await using cluster = await openProcessCluster({ stateDirectory: disk.path });
    const { driver } = cluster;
    const first = anApp({ answer: "one" });
    await driver.apply(first, never);
    disk.fill();

    const second = nextRevision(first, { answer: "two" });
    const error = await driver.apply(second, never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "DISK_FULL",
      kind: "resource_exhausted",
      details: {
        reason: "DiskFull",
        path: expect.stringContaining(disk.path),
        neededBytes: expect.stringMatching(/^\d+$/),
      },
    });
    const { replicas } = appPaths(disk.path, first.appId);
    expect(await readdir(replicas)).toHaveLength(1);

    await get(driver, first.appId, "/log?lines=5000"); // cannot be kept
    await get(driver, first.appId, "/exit?code=1").catch(() => undefined);
    await eventually(async () => (await get(driver, first.appId)).body === "one");
    expect((await observed(driver, first.appId)).replicas).toMatchObject([
      { state: "ready", restarts: 1, lastExit: "exit 1" },
    ]);

    disk.free();
    await driver.apply(second, never);
    expect((await get(driver, first.appId)).body).toBe("two");
  },
);
