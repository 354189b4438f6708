import { createReadStream, type ReadStream } from "node:fs";
import { constants, mkdir, open, readdir, rename, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "@drawbridge/durable-files";
import type { Component } from "@drawbridge/lifecycle";
import { hexOf, type ArtefactDigest } from "../domain/artefact-digest.ts";
import type { BlobUsage, BundleBlobs } from "../domain/bundle-blobs.ts";
import { diskFull } from "../domain/disk-full.ts";

/** An open blob: either streamed, once, or closed. It is not removed before that. */
export interface OpenBlob {
  readonly sizeBytes: number;
  /** Bytes from `start` to `end`, both included; closes the blob at the end, or when it is destroyed. */
  stream(range: { readonly start: number; readonly end: number }): ReadStream;
  close(): Promise<void>;
}

/**
 * Bundles as files: `sha256/ab/<hex>` whole and read-only, `partial/<hex>` on their way. Invariants:
 * - a file under `sha256/` has the content that its name says, and was brought to the disk before it got that name;
 * - a partial file only grows, at its end, by one writer at a time (the caller holds the digest's lock);
 * - a file under `sha256/` is removed by a holder of the digest's lock, not while this process reads it; for a reader in another
 *   process it stays readable until it is closed (unlink(2));
 * - both folders are on one file system, so that the change of name is atomic.
 */
export interface FileBlobStore extends BundleBlobs, Component {
  /** Undefined if it is not stored. */
  open(digest: ArtefactDigest): Promise<OpenBlob | undefined>;
}

export function createFileBlobStore(root: string): FileBlobStore {
  const partialFolder = join(root, "partial");
  const storedFolder = (digest: ArtefactDigest) => join(root, "sha256", hexOf(digest).slice(0, 2));
  const readers = createReaderCount();
  const storedPath = (digest: ArtefactDigest) => join(storedFolder(digest), hexOf(digest));
  const partialPath = (digest: ArtefactDigest) => join(partialFolder, hexOf(digest));

  return {
    name: "blobs",
    start: async () => {
      await mkdir(partialFolder, { recursive: true, mode: 0o700 });
      await mkdir(join(root, "sha256"), { recursive: true, mode: 0o700 });
    },
    stop: () => Promise.resolve(),

    state: async (digest) => {
      const stored = await sizeOf(storedPath(digest));
      if (stored !== undefined) return { state: "stored", sizeBytes: stored };
      const partial = await sizeOf(partialPath(digest));
      return partial === undefined ? { state: "absent" } : { state: "partial", sizeBytes: partial };
    },

    append: async (digest, { offset, maxBytes, chunks }) => {
      const freeBytes = await freeBytesAt(root);
      if (freeBytes < maxBytes) throw diskFull({ neededBytes: maxBytes, freeBytes });
      try {
        return await appendToFile(partialPath(digest), offset, chunks);
      } catch (cause) {
        if (!fullCodes.has(errorCode(cause))) throw cause;
        await rm(partialPath(digest), { force: true }); // others may need the room more than this upload its head start
        throw diskFull({ neededBytes: offset + maxBytes, freeBytes: await freeBytesAt(root), cause });
      }
    },

    read: (digest, state) => createReadStream(state === "stored" ? storedPath(digest) : partialPath(digest)),

    promote: async (digest) => {
      await mkdir(storedFolder(digest), { recursive: true, mode: 0o700 });
      const handle = await open(partialPath(digest), "r");
      try {
        await handle.chmod(0o400);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(partialPath(digest), storedPath(digest));
      for (const folder of [storedFolder(digest), join(root, "sha256"), partialFolder]) await syncFolder(folder);
    },

    discardPartial: (digest) => rm(partialPath(digest), { force: true }),

    open: async (digest) => {
      try {
        const handle = await open(storedPath(digest), "r");
        const done = readers.add(digest);
        const close = (): Promise<void> => handle.close().finally(done);
        try {
          const { size } = await handle.stat();
          return {
            sizeBytes: size,
            stream: (range) => handle.createReadStream(range).once("close", done),
            close,
          };
        } catch (error) {
          await close();
          throw error;
        }
      } catch (error) {
        if (errorCode(error) === "ENOENT") return undefined;
        throw error;
      }
    },

    partialsUntouchedSince: async (instant) => {
      const stale: ArtefactDigest[] = [];
      for (const name of await readdir(partialFolder)) {
        if (!/^[0-9a-f]{64}$/.test(name)) continue; // not ours to remove
        const state = await stat(join(partialFolder, name)).catch(() => undefined); // finished meanwhile
        if (state !== undefined && state.mtime < instant) stale.push(`sha256:${name}`);
      }
      return stale;
    },

    discardPartialUntouchedSince: async (digest, instant) => {
      const state = await stat(partialPath(digest)).catch(() => undefined); // finished meanwhile
      if (state === undefined || state.mtime >= instant) return undefined;
      await rm(partialPath(digest), { force: true });
      return state.size;
    },

    storedDigests: async function* (pageSize) {
      let page: ArtefactDigest[] = [];
      for await (const name of blobNames(join(root, "sha256"))) {
        page.push(`sha256:${name}`);
        if (page.length < pageSize) continue;
        yield page;
        page = [];
      }
      if (page.length > 0) yield page;
    },

    removeStored: async (digest) => {
      if (readers.isRead(digest)) return { outcome: "in-use" };
      const sizeBytes = await sizeOf(storedPath(digest));
      if (sizeBytes === undefined) return { outcome: "removed", sizeBytes: 0 };
      await rm(storedPath(digest), { force: true });
      await syncFolder(storedFolder(digest));
      return { outcome: "removed", sizeBytes };
    },

    usage: async (): Promise<BlobUsage> => {
      const { bavail, blocks, bsize } = await statfs(root);
      const stored = await sumOf(join(root, "sha256"));
      const partial = await sumOf(partialFolder);
      return { stored, partial, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
  };
}

/** Which blobs this process gives away, from the opening of a file until it is closed. */
function createReaderCount() {
  const counts = new Map<ArtefactDigest, number>();
  const change = (digest: ArtefactDigest, by: number): void => {
    const count = (counts.get(digest) ?? 0) + by;
    if (count > 0) counts.set(digest, count);
    else counts.delete(digest);
  };
  return {
    isRead: (digest: ArtefactDigest) => counts.has(digest),
    /** Call what it returns when the reader is done. */
    add: (digest: ArtefactDigest): (() => void) => {
      change(digest, 1);
      return () => change(digest, -1);
    },
  };
}

/** Names of the blobs in a folder and in the folders in it; whatever else lies there is not ours. */
async function* blobNames(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name)) yield entry.name;
  }
}

async function sumOf(folder: string): Promise<BlobUsage["stored"]> {
  let count = 0;
  let sizeBytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const size = await sizeOf(join(entry.parentPath, entry.name));
    if (size === undefined) continue; // removed meanwhile
    count += 1;
    sizeBytes += size;
  }
  return { count, sizeBytes };
}

/** Error numbers of the operating system that mean: no room here (full disk, quota). */
const fullCodes: ReadonlySet<string | undefined> = new Set(["ENOSPC", "EDQUOT"]);

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function appendToFile(path: string, offset: number, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  // Not O_APPEND: the position is said with every write, so that nothing lands anywhere else.
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  let position = offset;
  try {
    for await (const chunk of chunks) {
      await writeAll(handle, chunk, position);
      position += chunk.byteLength;
    }
  } finally {
    // What was taken stays, also when the sender is gone: a power cut after this does not lose it.
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  return position;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < chunk.byteLength;) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.byteLength - written, position + written);
    written += bytesWritten;
  }
}
