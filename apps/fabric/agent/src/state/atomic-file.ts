import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const temporaryMark = ".tmp-";

/**
 * Write a file so that after a crash at any point there is either the old content or the new one: temporary file in the
 * same folder, fsync, rename, fsync of the folder. Mode 0600 below folders of 0700 (design R19).
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `${temporaryMark}${basename(path)}-${randomBytes(6).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Make a rename, a removal or a new name in the folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Remove what a crash in the middle of `writeFileAtomic` left behind. */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  for (const name of await readdirIfPresent(folder)) {
    if (name.startsWith(temporaryMark)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Names in a folder; none if the folder does not exist. */
export async function readdirIfPresent(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** Content of a file; undefined if it does not exist. */
export async function readFileIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

export function isNotFound(error: unknown): boolean {
  return errorCodeOf(error) === "ENOENT";
}

/** `code` of a Node.js error, for example "ENOSPC"; empty if it has none. */
export function errorCodeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
