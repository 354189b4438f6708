import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { isDrawbridgeError } from "@drawbridge/errors";
import { pack } from "tar-stream";
import { ArchiveTree } from "../archive/archive-tree.ts";
import { manifestMissing, mebibytes, tooLarge } from "../archive/bundle-error.ts";
import { defaultBundleLimits, type BundleLimits } from "../archive/bundle-limits.ts";
import { manifestFileName, type Manifest } from "../manifest/manifest-schema.ts";
import { parseManifest } from "../manifest/parse-manifest.ts";
import { collectFiles, type PackEntry } from "./collect-files.ts";
import { createArchiveMeter } from "./archive-meter.ts";
import { loadIgnoreRules } from "./ignore-rules.ts";
import { unpackable } from "./pack-error.ts";
import { placeProductionDependencies } from "./production-dependencies.ts";
import { writeEntries, type PackProgress } from "./write-entries.ts";

export interface PackBundleOptions {
  /** Holds drawbridge.yaml. */
  readonly directory: string;
  /** Takes the .tgz; must read all of it. */
  readonly write: (archive: Readable) => Promise<unknown>;
  /** Further rules, syntax of .gitignore. */
  readonly ignore?: readonly string[];
  readonly limits?: Partial<BundleLimits>;
  readonly onProgress?: (progress: PackProgress) => void;
  readonly signal?: AbortSignal;
}

export interface PackedBundle {
  /** Of the .tgz, "sha256:<hex>". */
  readonly digest: string;
  /** Of the .tgz. */
  readonly sizeBytes: number;
  /** Files and links in it. */
  readonly files: number;
  /** Of the files in it. */
  readonly contentBytes: number;
  readonly manifest: Manifest;
}

/**
 * Make a bundle of a directory. The same content gives the same bytes, whatever the clock, the umask and the order of the directory: sorted
 * entries, drawbridge.yaml first, one instant, one owner, modes 0644 and 0755, no time and no system in the gzip header.
 * @throws DrawbridgeError `BUNDLE_MANIFEST_MISSING` | `MANIFEST_INVALID` | `BUNDLE_SOURCE_INVALID` | `BUNDLE_TOO_LARGE` (invalid_argument),
 * `BUNDLE_SOURCE_CHANGED` (aborted), and what `write` throws.
 */
export async function packBundle(options: PackBundleOptions): Promise<PackedBundle> {
  const limits = { ...defaultBundleLimits, ...options.limits };
  const manifest = await readManifest(options.directory);
  const entries = await collectEntries(options, manifest, limits);
  const contentBytes = entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.sizeBytes : 0), 0);
  if (contentBytes > limits.maxUnpackedBytes) throw tooLarge(`its files have ${mebibytes(contentBytes)}`);

  const tar = pack();
  const gzip = createGzip();
  const meter = createArchiveMeter(limits, () => gzip.bytesWritten);
  const results = await Promise.allSettled([
    stopOnFailure(writeEntries(tar, entries, options), tar),
    pipeline(tar, gzip, meter.stream),
    stopOnFailure(writeOut(options.write, meter.stream), meter.stream),
  ]);
  const failures = results.filter((result) => result.status === "rejected").map((result): unknown => result.reason);
  if (failures.length > 0)
    throw (
      failures.find((failure) => isDrawbridgeError(failure)) ??
      failures.find((failure) => !isEcho(failure)) ??
      failures[0]
    );
  return { ...meter.result(), files: entries.length, contentBytes, manifest };
}

async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, manifestFileName);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      throw manifestMissing(directory);
    throw error;
  });
  return parseManifest(text, path);
}

async function collectEntries(
  options: PackBundleOptions,
  manifest: Manifest,
  limits: BundleLimits,
): Promise<readonly PackEntry[]> {
  const { directory } = options;
  const rules = await loadIgnoreRules(directory, options.ignore ?? []);
  const withDependencies = manifest.bundle.dependencies;
  const entries = [
    ...(await collectFiles({
      root: directory,
      prefix: "",
      skip: (path, type) =>
        path === "node_modules" ? withDependencies : path !== manifestFileName && rules.isIgnored(path, type),
    })),
  ];
  if (withDependencies) {
    for (const { path, source } of await placeProductionDependencies(directory)) {
      // What a package carries below its own node_modules is placed like every other dependency.
      entries.push(...(await collectFiles({ root: source, prefix: path, skip: (local) => local === "node_modules" })));
    }
  }
  assertUnpackable(entries, limits);
  return entries.toSorted((a, b) => rank(a) - rank(b) || Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

function rank(entry: PackEntry): number {
  return entry.path === manifestFileName ? 0 : 1;
}

/** What nobody would unpack is not packed: the same rules, at the place where they can be mended. */
function assertUnpackable(entries: readonly PackEntry[], limits: BundleLimits): void {
  const tree = new ArchiveTree(limits);
  try {
    for (const entry of entries) {
      tree.add({
        path: entry.path,
        type: entry.type,
        sizeBytes: entry.type === "file" ? entry.sizeBytes : 0,
        mode: 0o644,
        linkTarget: entry.type === "symlink" ? entry.target : undefined,
      });
    }
    tree.assertLinksInside();
  } catch (error) {
    const reason = isDrawbridgeError(error) ? error.details["reason"] : undefined;
    if (reason === undefined || !isDrawbridgeError(error)) throw error;
    throw unpackable(
      error.details["entry"] ?? "an entry",
      `${reason}. Rename it or leave it out in .drawbridgeignore.`,
    );
  }
}

async function writeOut(write: PackBundleOptions["write"], archive: Readable): Promise<void> {
  await write(archive);
  if (!archive.readableEnded) throw new TypeError("packBundle: write returned before it had read the whole archive");
}

/** What a stream says because another one failed. ABORT_ERR: an iterator over it was left early. */
const echoCodes: ReadonlySet<unknown> = new Set(["ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED", "ABORT_ERR"]);

function isEcho(error: unknown): boolean {
  return error instanceof Error && "code" in error && echoCodes.has(error.code);
}

/** When one part fails the others must not wait for ever. */
async function stopOnFailure(work: Promise<void>, stream: { destroy(error?: Error): unknown }): Promise<void> {
  try {
    await work;
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}
