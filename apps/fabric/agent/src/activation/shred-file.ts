import { randomBytes } from "node:crypto";
import { lstat, open, rm } from "node:fs/promises";

/**
 * Overwrite a file and remove it, so that the token does not lie about after use. "kept" when the file is not ours to
 * remove, for example in a read-only mount.
 */
export async function shredFile(path: string): Promise<"shredded" | "kept"> {
  try {
    const about = await lstat(path);
    if (!about.isFile()) return "kept"; // a pipe or a link: what it leads to is somebody else's
    const file = await open(path, "r+");
    try {
      await file.write(randomBytes(about.size), 0, about.size, 0);
      await file.sync();
      await file.truncate(0);
    } finally {
      await file.close();
    }
    await rm(path);
    return "shredded";
  } catch {
    return "kept";
  }
}
