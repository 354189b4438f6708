import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { findNatsServer } from "./find-nats-server.ts";
import { builtBinaryPath } from "./install-nats.ts";

let cacheDir: string;
let pathDir: string;

/** The PATH holds one folder of ours only: no Docker, no Go, no apt-get, unless a test puts them there. */
beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), "drawbridge-find-nats-"));
  cacheDir = join(root, "cache");
  pathDir = join(root, "bin");
  await mkdir(pathDir);
  const path = process.env["PATH"];
  process.env["PATH"] = pathDir;
  onTestFinished(async () => {
    process.env["PATH"] = path;
    await rm(root, { recursive: true });
  });
});

/** A program that answers `--version` as nats-server does. */
async function programThatSays(path: string, version: string): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  await chmod(path, 0o755);
}

test("takes a URL as it is", async () => {
  expect(await findNatsServer({ url: "nats://bus:4222" })).toEqual({ kind: "url", url: "nats://bus:4222" });
});

test("prefers what it built before to what is on the PATH", async () => {
  await programThatSays(builtBinaryPath(cacheDir), "2.15.2");
  await programThatSays(join(pathDir, "nats-server"), "2.12.0");
  expect(await findNatsServer({ cacheDir })).toMatchObject({ command: builtBinaryPath(cacheDir), version: "2.15.2" });
});

test("uses the PATH when its server is new enough", async () => {
  await programThatSays(join(pathDir, "nats-server"), "2.10.3");
  expect(await findNatsServer({ cacheDir })).toMatchObject({ command: "nats-server", version: "2.10.3" });
});

test("does not take a server that cannot write every message to disk before it acknowledges it", async () => {
  await programThatSays(join(pathDir, "nats-server"), "2.9.10");
  await expect(findNatsServer({ cacheDir })).rejects.toMatchObject({
    code: "LOCAL_NATS_MISSING",
    message: expect.stringContaining("nats-server 2.9.10 from the PATH is older than 2.10") as string,
  });
});

test("says everything that it tried, and how to get a server, when there is none", async () => {
  const error: unknown = await findNatsServer({ cacheDir }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "LOCAL_NATS_MISSING", kind: "failed_precondition" });
  const text = String(error);
  for (const part of ["the PATH", "Docker", "Go is not", "apt-get", "releases"]) expect(text).toContain(part);
});
