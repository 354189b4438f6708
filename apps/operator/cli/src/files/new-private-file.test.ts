import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeNewPrivateFile } from "./new-private-file.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-cli-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a secret lands in a file that only its owner can read", async () => {
  const path = join(folder, "token");
  expect(await writeNewPrivateFile(path, async () => ({ text: "secret\n", result: 7 }))).toBe(7);
  expect(await readFile(path, "utf8")).toBe("secret\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test.each([
  ["a file that exists", "there", "exists already"],
  ["a folder that does not exist", "nowhere/token", "ENOENT"],
])("no secret is made for %s", async (_what, name, reason) => {
  await writeFile(join(folder, "there"), "kept");
  let made = 0;
  const writing = writeNewPrivateFile(join(folder, name), async () => {
    made += 1;
    return { text: "secret", result: undefined };
  });
  await expect(writing).rejects.toMatchObject({
    code: "FILE_UNWRITABLE",
    message: expect.stringContaining(reason),
  });
  expect(made).toBe(0);
  expect(await readFile(join(folder, "there"), "utf8")).toBe("kept");
});

test("no file stays behind when the secret could not be obtained", async () => {
  const path = join(folder, "token");
  const failure = new Error("the control plane says no");
  await expect(writeNewPrivateFile(path, () => Promise.reject(failure))).rejects.toBe(failure);
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});
