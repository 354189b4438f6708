import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeState } from "./remove-state.ts";

test("removes folders that their owner made read-only, and what is in them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-remove-"));
  const bundle = join(folder, "bundles", "sha256");
  await mkdir(bundle, { recursive: true });
  await writeFile(join(bundle, "server.mjs"), "", { mode: 0o444 });
  await chmod(bundle, 0o555);
  await removeState(folder);
  expect(existsSync(folder)).toBe(false);
  await removeState(folder); // what is not there is removed already
});
