import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeBundleFile } from "../src/index.ts";
import { manifestText, temporaryDirectory } from "./tar-builder.ts";

/** A full disk is a real one: a file system of 1 MiB in a mount namespace of our own, where the kernel lets us have one. */
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

function onSmallDisk(mountPoint: string, script: string): unknown {
  const run = spawnSync(
    "unshare",
    [
      "-rm",
      "sh",
      "-c",
      'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" --input-type=module-typescript --eval "$3"',
      "sh",
      mountPoint,
      process.execPath,
      script,
    ],
    { encoding: "utf8", cwd: import.meta.dirname },
  );
  return JSON.parse(run.stdout || JSON.stringify(run.stderr)) as unknown;
}

const report = `.then(() => ({ code: "none" }), ({ code, message, details }) => ({ code, message, details }))`;

test.skipIf(!canMount)(
  "says DISK_FULL with place and need when an unpacking runs out of space, and leaves nothing behind",
  async () => {
    await using folder = await temporaryDirectory();
    const app = join(folder.path, "app");
    const disk = join(folder.path, "disk");
    const file = join(folder.path, "app.tgz");
    await mkdir(app);
    await mkdir(disk);
    await writeFile(join(app, "drawbridge.yaml"), manifestText);
    await writeFile(join(app, "big.bin"), randomBytes(3_000_000));
    const { digest } = await writeBundleFile({ directory: app, file });
    const outcome = onSmallDisk(
      disk,
      `import { createReadStream, readdirSync } from "node:fs";
     import { unpackBundle } from "../src/index.ts";
     const result = await unpackBundle({ source: createReadStream(${JSON.stringify(file)}), directory: ${JSON.stringify(join(disk, "app"))}, expectedDigest: ${JSON.stringify(digest)} })${report};
     console.log(JSON.stringify({ ...result, left: readdirSync(${JSON.stringify(disk)}) }));`,
    );
    expect(outcome).toMatchObject({
      code: "DISK_FULL",
      message: expect.stringContaining(`no space left at ${disk}`) as string,
      details: { directory: disk, neededBytes: String(manifestText.length + 3_000_000) },
      left: [],
    });
  },
);

test.skipIf(!canMount)("says DISK_FULL when a bundle cannot be written, and leaves nothing behind", async () => {
  await using folder = await temporaryDirectory();
  const app = join(folder.path, "app");
  const disk = join(folder.path, "disk");
  await mkdir(app);
  await mkdir(disk);
  await writeFile(join(app, "drawbridge.yaml"), manifestText);
  await writeFile(join(app, "big.bin"), randomBytes(3_000_000));
  const outcome = onSmallDisk(
    disk,
    `import { readdirSync } from "node:fs";
     import { writeBundleFile } from "../src/index.ts";
     const result = await writeBundleFile({ directory: ${JSON.stringify(app)}, file: ${JSON.stringify(join(disk, "app.tgz"))} })${report};
     console.log(JSON.stringify({ ...result, left: readdirSync(${JSON.stringify(disk)}) }));`,
  );
  expect(outcome).toMatchObject({
    code: "DISK_FULL",
    message: expect.stringContaining(`no space left at ${disk} for the bundle`) as string,
    left: [],
  });
});
