import { createReadStream } from "node:fs";
import { constants, mkdir, open, readdir, rename, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Component } from "@drawbridge/lifecycle";
import { hexOf, type ArtefactDigest } from "../domain/artefact-digest.ts";
import type { BundleBlobs } from "../domain/bundle-blobs.ts";
import { diskFull } from "../domain/disk-full.ts";

/** An open blob; the reader closes it. */
export interface OpenBlob {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/**
 * Bundles as files: `sha256/ab/<hex>` whole and read-only, `partial/<hex>` on their way. Invariants:
 * - a file under `sha256/` has the content that its name says, and was brought to the disk before it got that name;
 * - a partial file only grows, at its end, by one writer at a time (the caller holds the digest's lock);
 * - both folders are on one file system, so that the change of name is atomic.
 */
export interface FileBlobStore extends BundleBlobs, Component {
  /** Undefined if it is not stored. */
  open(digest: ArtefactDigest): Promise<OpenBlob | undefined>;
}

export function createFileBlobStore(root: string): FileBlobStore {
  const partialFolder = join(root, "partial");
  const storedFolder = (digest: ArtefactDigest) => join(root, "sha256", hexOf(digest).slice(0, 2));
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
        return { handle, sizeBytes: (await handle.stat()).size };
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
  };
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

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
