import { mkdir, open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

/** What a crash in the middle leaves ends with this. */
export const temporaryMark = ".tmp";

export interface WriteOptions {
  /** Of a new file; default 0600. */
  readonly mode?: number;
  /** What the file is called until it is whole, in the same folder; default: its path and `temporaryMark`. */
  readonly temporary?: string;
}

/** After a crash at any point there is either what was before or all of `content`; the latter, once this resolves. */
export async function writeDurably(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  await writeWhole(path, content, options);
  await syncFolder(dirname(path));
}

/** As `writeDurably`, but the name outlives a power cut only once `syncFolder` is over. */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, temporary = `${path}${temporaryMark}` }: WriteOptions = {},
): Promise<void> {
  try {
    const file = await openInFolder(temporary, mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Make a new name, or one that is gone, outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The folder is nearly always there: it is made only when it turns out not to be. */
async function openInFolder(path: string, mode: number): Promise<FileHandle> {
  try {
    return await open(path, "w", mode);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, "w", mode);
  }
}
