import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Manifest } from "../manifest/manifest-schema.ts";
import { diskFull, isDiskFull } from "./bundle-error.ts";
import { defaultBundleLimits, type BundleLimits } from "./bundle-limits.ts";
import { createManifestReader } from "./inspect-bundle.ts";
import { readArchive, type ArchiveSummary } from "./read-archive.ts";
import { createTreeWriter, syncPath } from "./tree-writer.ts";

export interface UnpackBundleOptions {
  readonly source: AsyncIterable<Uint8Array>;
  /** Must not exist; its parent must. */
  readonly directory: string;
  /** "sha256:<hex>". */
  readonly expectedDigest: string;
  readonly limits?: Partial<BundleLimits>;
  readonly signal?: AbortSignal;
}

export interface UnpackedBundle extends ArchiveSummary {
  readonly manifest: Manifest;
  /** Files and links. */
  readonly files: number;
}

export const temporaryPrefix = ".unpacking-";

/**
 * Unpack a bundle into `directory`: all of it, checked, on the disk and read-only, or nothing. It is unpacked beside `directory` under
 * another name, synced, and renamed, so that whoever finds `directory` finds it whole.
 * @throws DrawbridgeError the codes of `inspectBundle`, `DISK_FULL` (resource_exhausted), `BUNDLE_TARGET_EXISTS` (already_exists).
 */
export async function unpackBundle(options: UnpackBundleOptions): Promise<UnpackedBundle> {
  const { source, expectedDigest, signal } = options;
  const directory = resolve(options.directory);
  const parent = dirname(directory);
  const limits = { ...defaultBundleLimits, ...options.limits };
  await refuseExisting(directory);
  const temporary = join(
    parent,
    `${temporaryPrefix}${basename(directory).slice(0, 100)}-${randomBytes(6).toString("hex")}`,
  );
  try {
    await mkdir(temporary, { mode: 0o700 });
    const writer = createTreeWriter(temporary);
    const manifest = createManifestReader(limits);
    const summary = await readArchive({
      source,
      limits,
      expectedDigest,
      ...(signal === undefined ? {} : { signal }),
      onEntry: async (entry, content) =>
        writer.write(entry, manifest.isManifest(entry) ? oneChunk(await manifest.read(content)) : content),
    });
    const result = { ...summary, manifest: manifest.result(), files: writer.files() };
    await writer.seal();
    await rename(temporary, directory);
    await chmod(directory, 0o555);
    await syncPath(parent);
    return result;
  } catch (error) {
    await removeUnpackedBundle(temporary);
    throw isDiskFull(error) ? diskFull(parent, "the unpacked bundle", undefined, error) : error;
  }
}

/** Remove an unpacked bundle, which is read-only, with all it holds. Nothing happens if it does not exist. */
export async function removeUnpackedBundle(directory: string): Promise<void> {
  await makeDirectoriesWritable(directory);
  await rm(directory, { recursive: true, force: true });
}

/** Remove what unpackings that were killed left in `parent`, and say what. Only while none is running there. */
export async function removeAbandonedUnpacks(parent: string): Promise<readonly string[]> {
  const abandoned = (await readdir(parent)).filter((name) => name.startsWith(temporaryPrefix));
  for (const name of abandoned) await removeUnpackedBundle(join(parent, name));
  return abandoned;
}

async function refuseExisting(directory: string): Promise<void> {
  const exists = await lstat(directory).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new DrawbridgeError({
    kind: "already_exists",
    code: "BUNDLE_TARGET_EXISTS",
    message: `${directory} exists already. Unpack into a directory that does not.`,
    details: { directory },
  });
}

async function makeDirectoriesWritable(directory: string): Promise<void> {
  const state = await lstat(directory).catch(() => undefined); // gone is what we want
  if (state?.isDirectory() !== true) return;
  await chmod(directory, 0o700);
  for (const child of await readdir(directory, { withFileTypes: true })) {
    if (child.isDirectory()) await makeDirectoriesWritable(join(directory, child.name));
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
