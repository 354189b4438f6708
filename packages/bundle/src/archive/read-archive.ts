import { createHash } from "node:crypto";
import { once } from "node:events";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, type Gunzip } from "node:zlib";
import { isDrawbridgeError } from "@drawbridge/errors";
import { extract, type Header } from "tar-stream";
import { ArchiveTree, type ArchiveEntry, type EntryHeader } from "./archive-tree.ts";
import { digestMismatch, malformed, mebibytes, tooLarge } from "./bundle-error.ts";
import type { BundleLimits } from "./bundle-limits.ts";

export interface ReadArchiveOptions {
  /** The .tgz. Read to its end unless something is wrong with it. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly limits: BundleLimits;
  /** "sha256:<hex>"; a bundle with another digest is refused, whatever else is wrong with it. */
  readonly expectedDigest?: string;
  /** Called for each entry, one after the other; must read all of `content`, which is empty unless the entry is a file. */
  readonly onEntry: (entry: ArchiveEntry, content: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface ArchiveSummary {
  /** Of the .tgz, "sha256:<hex>". */
  readonly digest: string;
  /** Of the .tgz. */
  readonly sizeBytes: number;
  /** Of the tar in it. */
  readonly unpackedBytes: number;
}

/**
 * Read a bundle as a stream, entry by entry, never more than some chunks of it in memory, and check everything that can be checked.
 * Nothing that `onEntry` was given may be trusted before this resolves: the digest is known only at the end.
 * @throws DrawbridgeError `BUNDLE_DIGEST_MISMATCH` | `BUNDLE_TOO_LARGE` | `BUNDLE_PATH_TRAVERSAL` | `BUNDLE_MALFORMED` (invalid_argument), and what `source` or `onEntry` throw.
 */
export async function readArchive(options: ReadArchiveOptions): Promise<ArchiveSummary> {
  const { limits, expectedDigest } = options;
  const hash = createHash("sha256");
  const progress = { sizeBytes: 0, unpackedBytes: 0 };
  const gunzip = createGunzip();
  const parsing = createParsing(options, gunzip, progress);

  try {
    for await (const chunk of options.source) {
      options.signal?.throwIfAborted();
      progress.sizeBytes += chunk.byteLength;
      if (progress.sizeBytes > limits.maxSizeBytes)
        throw tooLarge(`it has more than ${mebibytes(limits.maxSizeBytes)}`);
      hash.update(chunk);
      // A damaged bundle is told from a malicious one by its digest, so the rest is read for that alone.
      if (parsing.hasFailed()) {
        if (expectedDigest === undefined) break;
      } else if (!gunzip.write(chunk)) {
        await Promise.race([once(gunzip, "drain").catch(() => undefined), parsing.done]);
      }
    }
  } catch (error) {
    gunzip.destroy();
    await parsing.done;
    throw error;
  }
  if (!gunzip.destroyed) gunzip.end();
  await parsing.done;
  const digest = `sha256:${hash.digest("hex")}`;
  if (expectedDigest !== undefined && digest !== expectedDigest) throw digestMismatch(expectedDigest, digest);
  parsing.throwIfFailed();
  return { digest, ...progress };
}

interface Parsing {
  /** Settles, never rejects, once there is nothing more to parse. */
  readonly done: Promise<void>;
  hasFailed(): boolean;
  throwIfFailed(): void;
}

type Progress = { readonly sizeBytes: number; unpackedBytes: number };

function createParsing(options: ReadArchiveOptions, gunzip: Gunzip, progress: Progress): Parsing {
  let failure: { readonly error: unknown } | undefined;
  const done = parse(options, gunzip, progress).catch((error: unknown) => {
    failure = { error };
    gunzip.destroy();
  });
  return {
    done,
    hasFailed: () => failure !== undefined,
    throwIfFailed: () => {
      if (failure !== undefined) throw failure.error;
    },
  };
}

async function parse(
  { limits, onEntry, signal }: ReadArchiveOptions,
  gunzip: Gunzip,
  progress: Progress,
): Promise<void> {
  const tree = new ArchiveTree(limits);
  const entries = extract();
  const meter = new Transform({
    transform(chunk: Uint8Array, _encoding, callback) {
      progress.unpackedBytes += chunk.byteLength;
      callback(bombError(progress, limits), chunk);
    },
  });
  let streamError: unknown;
  const feeding = pipeline(gunzip, meter, entries).catch((error: unknown) => {
    streamError = error;
  });
  try {
    for await (const entry of entries) {
      signal?.throwIfAborted();
      const known = tree.add(headerOf(entry.header));
      // tar-stream declares its streams without the type of their chunks, which are buffers.
      if (known !== undefined) await onEntry(known, entry as AsyncIterable<unknown> as AsyncIterable<Uint8Array>);
      entry.resume();
    }
    await feeding;
    if (streamError !== undefined) throw streamError;
  } catch (error) {
    entries.destroy();
    await feeding;
    // When a stream broke, what the loop saw is only its echo; when the loop stopped, the stream's error is.
    throw isPrematureClose(streamError) || streamError === undefined ? error : asMalformed(streamError);
  }
  tree.assertLinksInside();
}

function headerOf(header: Partial<Header> & Pick<Header, "name">): EntryHeader {
  return {
    path: header.name,
    type: header.type ?? "thing of an unknown kind",
    sizeBytes: header.size ?? 0,
    mode: header.mode ?? 0,
    linkTarget: header.linkname,
  };
}

function bombError({ sizeBytes, unpackedBytes }: Progress, limits: BundleLimits): Error | null {
  if (unpackedBytes > limits.maxUnpackedBytes)
    return tooLarge(`it unpacks to more than ${mebibytes(limits.maxUnpackedBytes)}`);
  if (unpackedBytes > limits.ratioGraceBytes && unpackedBytes > sizeBytes * limits.maxRatio) {
    return tooLarge(`it unpacks to more than ${limits.maxRatio} times its size`);
  }
  return null;
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}

function asMalformed(error: unknown): unknown {
  return isDrawbridgeError(error)
    ? error
    : malformed("it is not a complete gzip-compressed tar archive", { cause: error });
}
