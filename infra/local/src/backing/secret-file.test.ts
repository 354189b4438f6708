import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readOrCreateSecret } from "./secret-file.ts";

test("makes a secret once, in a file that only its owner can read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-secret-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "new", "secret");
  const secret = await readOrCreateSecret(path);
  expect(Buffer.from(secret, "base64url")).toHaveLength(32);
  expect(await readOrCreateSecret(path)).toBe(secret);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "new"))).mode & 0o777).toBe(0o700);
});
