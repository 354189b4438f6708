import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { diskFull, isDiskFull } from "../archive/bundle-error.ts";
import { syncPath } from "../archive/tree-writer.ts";
import { packBundle, type PackBundleOptions, type PackedBundle } from "./pack-bundle.ts";

export type WriteBundleFileOptions = Omit<PackBundleOptions, "write"> & {
  /** Path of the .tgz; replaced if it exists, and only once the new one is whole. */
  readonly file: string;
};

/**
 * `packBundle` into a file.
 * @throws DrawbridgeError the codes of `packBundle`, and `DISK_FULL` (resource_exhausted).
 */
export async function writeBundleFile(options: WriteBundleFileOptions): Promise<PackedBundle> {
  const file = resolve(options.file);
  const temporary = `${file}.${randomBytes(6).toString("hex")}.partial`;
  try {
    const packed = await packBundle({
      ...options,
      write: async (archive) => {
        const handle = await open(temporary, "wx", 0o644);
        try {
          await handle.writeFile(archive);
          await handle.sync();
        } finally {
          await handle.close();
        }
      },
    });
    await rename(temporary, file);
    await syncPath(dirname(file));
    return packed;
  } catch (error) {
    await rm(temporary, { force: true });
    throw isDiskFull(error) ? diskFull(dirname(file), "the bundle", undefined, error) : error;
  }
}
