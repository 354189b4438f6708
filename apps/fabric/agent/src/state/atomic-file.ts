import { randomBytes } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeDurably } from "@drawbridge/durable-files";

const temporaryMark = ".tmp-";

/** Mode 0600 below folders of 0700 (design R19). Several may write one path: each has a temporary file of its own. */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `${temporaryMark}${basename(path)}-${randomBytes(6).toString("hex")}`);
  await writeDurably(path, content, { mode, temporary });
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
