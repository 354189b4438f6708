import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** The most that one writev takes (IOV_MAX of Linux). */
const piecesAtOnce = 1024;

/** `path` is afterwards either what it was or all of `pieces`, and on the disk. Returns the size. */
export async function writeFileAtomically(path: string, pieces: readonly Uint8Array[]): Promise<number> {
  const unfinished = `${path}.tmp`;
  const file = await open(unfinished, "w", 0o600);
  let sizeBytes = 0;
  try {
    for (let at = 0; at < pieces.length; at += piecesAtOnce) {
      const some = pieces.slice(at, at + piecesAtOnce);
      const { bytesWritten } = await file.writev(some);
      const expected = some.reduce((sum, piece) => sum + piece.length, 0);
      if (bytesWritten !== expected) throw new Error(`${unfinished} was cut short: the disk may be full`);
      sizeBytes += bytesWritten;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncDirectory(dirname(path));
  return sizeBytes;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
