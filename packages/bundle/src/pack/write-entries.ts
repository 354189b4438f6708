import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Pack } from "tar-stream";
import type { PackEntry } from "./collect-files.ts";

export interface PackProgress {
  readonly files: number;
  readonly totalFiles: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface WriteEntriesOptions {
  readonly onProgress?: (progress: PackProgress) => void;
  readonly signal?: AbortSignal;
}

/** Write the entries in the given order and end the archive. */
export async function writeEntries(
  tar: Pack,
  entries: readonly PackEntry[],
  options: WriteEntriesOptions,
): Promise<void> {
  const totalBytes = entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.sizeBytes : 0), 0);
  let files = 0;
  let bytes = 0;
  for (const entry of entries) {
    options.signal?.throwIfAborted();
    await writeEntry(tar, entry);
    files += 1;
    bytes += entry.type === "file" ? entry.sizeBytes : 0;
    options.onProgress?.({ files, totalFiles: entries.length, bytes, totalBytes });
  }
  tar.finalize();
}

async function writeEntry(tar: Pack, entry: PackEntry): Promise<void> {
  const common = { name: entry.path, mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" };
  if (entry.type === "symlink") {
    await new Promise<void>((resolve, reject) => {
      tar.entry({ ...common, type: "symlink", linkname: entry.target, mode: 0o777 }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
    return;
  }
  const sink = tar.entry({ ...common, type: "file", size: entry.sizeBytes, mode: entry.isExecutable ? 0o755 : 0o644 });
  await pipeline(createReadStream(entry.source), (chunks: AsyncIterable<Uint8Array>) => exactly(chunks, entry), sink);
}

/** The header with the size went out already, so a file that grows or shrinks meanwhile cannot be packed. */
async function* exactly(
  chunks: AsyncIterable<Uint8Array>,
  entry: PackEntry & { readonly type: "file" },
): AsyncGenerator<Uint8Array> {
  let leftBytes = entry.sizeBytes;
  for await (const chunk of chunks) {
    leftBytes -= chunk.byteLength;
    if (leftBytes < 0) throw changed(entry.path);
    yield chunk;
  }
  if (leftBytes !== 0) throw changed(entry.path);
}

function changed(path: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "aborted",
    code: "BUNDLE_SOURCE_CHANGED",
    message: `${path} changed while it was packed. Stop what writes to it, or leave it out in .drawbridgeignore, and try again.`,
    details: { path },
  });
}
