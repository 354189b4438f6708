import { type FileHandle, open, rm } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { errnoOf } from "./given-file.ts";

/**
 * Put a secret that `make` obtains into a new file that only its owner can read. The file is taken first: a secret that is
 * shown once must not be made when there is nowhere to keep it. It is removed again if `make` fails.
 * @throws DrawbridgeError `FILE_UNWRITABLE` (failed_precondition) and what `make` throws
 */
export async function writeNewPrivateFile<T>(
  path: string,
  make: () => Promise<{ readonly text: string; readonly result: T }>,
): Promise<T> {
  await using file = await create(path);
  try {
    const { text, result } = await make();
    await file.writeFile(text);
    return result;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (error) {
    const isThere = errnoOf(error) === "EEXIST";
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "FILE_UNWRITABLE",
      message: isThere
        ? `${path} exists already and is left as it is; nothing was made: give another --out`
        : `${path} cannot be written (${errnoOf(error)}); nothing was made: give another --out`,
      cause: error,
    });
  }
}
