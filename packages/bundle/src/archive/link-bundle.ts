import { randomBytes } from "node:crypto";
import { chmod, constants, copyFile, link, lstat, mkdir, readdir, readlink, rename, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { diskFull, isDiskFull } from "./bundle-error.ts";
import { removeUnpackedBundle, temporaryPrefix } from "./unpack-bundle.ts";

/**
 * Give an unpacked bundle a second place, for somebody who may not look into the first: folders of its own, the same files (hard
 * links, or copies where the file system has none). All of it or nothing; nothing happens if it is there already.
 * @throws DrawbridgeError `DISK_FULL` (resource_exhausted)
 */
export async function linkUnpackedBundle(source: string, target: string): Promise<void> {
  if (await exists(target)) return;
  const parent = dirname(target);
  const temporary = join(
    parent,
    `${temporaryPrefix}${basename(target).slice(0, 100)}-${randomBytes(6).toString("hex")}`,
  );
  try {
    await linkTree(source, temporary);
    await rename(temporary, target);
    await chmod(target, 0o555);
  } catch (error) {
    await removeUnpackedBundle(temporary);
    if (await exists(target)) return; // somebody else was faster
    throw isDiskFull(error) ? diskFull(parent, "the links to the bundle", undefined, error) : error;
  }
}

async function linkTree(source: string, target: string): Promise<void> {
  await mkdir(target, { mode: 0o700 });
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const from = join(source, entry.name);
    const to = join(target, entry.name);
    if (entry.isDirectory()) {
      await linkTree(from, to);
      await chmod(to, 0o555);
    } else if (entry.isSymbolicLink()) await symlink(await readlink(from), to);
    else await linkFile(from, to);
  }
}

/** EXDEV, EMLINK, EPERM, EOPNOTSUPP: this file system links no further, or not at all. */
async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isDiskFull(error)) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(to, (await lstat(from)).mode & 0o777);
  }
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
