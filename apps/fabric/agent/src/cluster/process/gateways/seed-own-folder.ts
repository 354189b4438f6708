import { copyFile, link, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/**
 * Give a gateway that starts what another one has: the cache, so that it opens its gates without the control plane as far as that
 * one did, and the roots that it checks signatures with. Its own counters stay: what it counted earlier it did count.
 * Whatever cannot be had is absent: the gateway fetches it.
 */
export async function seedOwnFolder(from: string, to: string): Promise<void> {
  const [source, target] = [join(from, "cache"), join(to, "cache")];
  await rm(target, { recursive: true, force: true });
  await mkdir(to, { recursive: true, mode: 0o700 });
  await copyFile(join(from, "trust-bundle.json"), join(to, "trust-bundle.json")).catch(() => undefined); // none yet
  const entries = await readdir(source, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(".tmp"));
  // What names the others first: a newer one would name what is not linked here.
  const depth = (path: string): number => path.split("/").length;
  const paths = files.map(({ parentPath, name }) => relative(source, join(parentPath, name)));
  for (const path of paths.toSorted((left, right) => depth(left) - depth(right))) {
    await mkdir(dirname(join(target, path)), { recursive: true, mode: 0o700 });
    // Files of the cache are replaced, never changed: two folders may share them.
    await link(join(source, path), join(target, path)).catch(() => undefined); // gone meanwhile
  }
}
