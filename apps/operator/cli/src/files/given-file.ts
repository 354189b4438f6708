import { open, readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";

/**
 * A text file that was named with an option.
 * @throws DrawbridgeError `FILE_UNREADABLE` (invalid_argument)
 */
export async function readGivenFile(path: string, option: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(`the file ${path} given with ${option} cannot be read (${errnoOf(error)})`, error);
  }
}

/**
 * A file that was named as an argument, to be read piece by piece; closed at its end.
 * @throws DrawbridgeError `FILE_UNREADABLE` (invalid_argument)
 */
export async function openGivenFile(path: string): Promise<Readable> {
  const file = await open(path).catch((error: unknown) => {
    throw unreadable(`the file ${path} cannot be read (${errnoOf(error)})`, error);
  });
  if ((await file.stat()).isFile()) return file.createReadStream();
  await file.close();
  throw unreadable(`${path} is not a file`, undefined);
}

/** The code of a failed system call, for example ENOENT. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unreadable";
}

function unreadable(message: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "FILE_UNREADABLE", message, cause });
}
