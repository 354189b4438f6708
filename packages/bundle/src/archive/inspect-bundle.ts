import { parseManifest } from "../manifest/parse-manifest.ts";
import { manifestFileName, type Manifest } from "../manifest/manifest-schema.ts";
import type { ArchiveEntry } from "./archive-tree.ts";
import { manifestMissing, tooLarge } from "./bundle-error.ts";
import { defaultBundleLimits, type BundleLimits } from "./bundle-limits.ts";
import { readArchive, type ArchiveSummary } from "./read-archive.ts";

export interface InspectBundleOptions {
  readonly expectedDigest?: string;
  readonly limits?: Partial<BundleLimits>;
  readonly signal?: AbortSignal;
}

export interface BundleInspection extends ArchiveSummary {
  readonly manifest: Manifest;
  readonly entries: readonly ArchiveEntry[];
}

/**
 * Read a bundle without unpacking it and check all that `unpackBundle` would.
 * @throws DrawbridgeError `BUNDLE_MANIFEST_MISSING` | `MANIFEST_INVALID` and the codes of `readArchive`.
 */
export async function inspectBundle(
  source: AsyncIterable<Uint8Array>,
  options: InspectBundleOptions = {},
): Promise<BundleInspection> {
  const limits = { ...defaultBundleLimits, ...options.limits };
  const entries: ArchiveEntry[] = [];
  const manifest = createManifestReader(limits);
  const summary = await readArchive({
    source,
    limits,
    ...(options.expectedDigest === undefined ? {} : { expectedDigest: options.expectedDigest }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onEntry: async (entry, content) => {
      entries.push(entry);
      if (manifest.isManifest(entry)) await manifest.read(content);
    },
  });
  return { ...summary, manifest: manifest.result(), entries };
}

/** Collects drawbridge.yaml while an archive passes; parsed at the end, so that a wrong digest is reported before a wrong manifest. */
export function createManifestReader(limits: Pick<BundleLimits, "maxManifestBytes">) {
  let content: Buffer | undefined;
  return {
    isManifest: (entry: ArchiveEntry): boolean => entry.path === manifestFileName && entry.type === "file",
    read: async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> => {
      const parts: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of chunks) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > limits.maxManifestBytes)
          throw tooLarge(`its ${manifestFileName} has more than ${limits.maxManifestBytes} bytes`);
        parts.push(chunk);
      }
      content = Buffer.concat(parts);
      return content;
    },
    result: (): Manifest => {
      if (content === undefined) throw manifestMissing("the bundle");
      return parseManifest(content.toString("utf8"), manifestFileName);
    },
  };
}
