import { randomUUID } from "node:crypto";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { errnoOf } from "./given-file.ts";

/**
 * A new file out of pieces, which stands at `path` only when it is whole and on the disk; until then it has another name beside
 * it, and is removed if the pieces end with an error. Returns its size.
 *
 * @throws DrawbridgeError `FILE_UNWRITABLE` (failed_precondition), also if `path` exists and may not be replaced
 */
export async function writeNewFile(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  options: { readonly replace: boolean; readonly onBytes: (bytes: number) => void },
): Promise<number> {
  await assertWritable(path, options.replace);
  const partial = `${path}.${randomUUID().slice(0, 8)}.partial`;
  let bytes = 0;
  try {
    await using file = await create(partial, path);
    for await (const piece of pieces) {
      await file.writeFile(piece);
      bytes += piece.length;
      options.onBytes(bytes);
    }
    await file.sync();
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await rename(partial, path);
  return bytes;
}

/** @throws DrawbridgeError `FILE_UNWRITABLE`: something is there */
export async function assertWritable(path: string, replace: boolean): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isThere && !replace)
    throw unwritable(`${path} exists already and is left as it is: give another --out, or --force`, undefined);
}

async function create(partial: string, path: string): Promise<FileHandle> {
  try {
    return await open(partial, "wx", 0o600);
  } catch (error) {
    throw unwritable(`${path} cannot be written (${errnoOf(error)}): give another --out`, error);
  }
}

function unwritable(message: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code: "FILE_UNWRITABLE", message, cause });
}
