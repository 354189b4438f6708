import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Remove a folder of state. Unpacked bundles in it are read-only, and only root removes files from a folder like that. */
export async function removeState(path: string): Promise<void> {
  await makeWritable(path);
  await rm(path, { recursive: true, force: true });
}

async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700).catch(() => undefined); // gone, or not ours: the removal says so
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
}
