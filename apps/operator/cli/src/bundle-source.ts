import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inspectBundle, type Manifest, type PackProgress, writeBundleFile } from "@drawbridge/bundle";
import { DrawbridgeError } from "@drawbridge/errors";
import { openGivenFile } from "./files/given-file.ts";

/** A whole bundle on this machine's disk. */
export interface LocalBundle {
  readonly file: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly manifest: Manifest;
}

export interface BundleSource extends AsyncDisposable {
  readonly bundle: LocalBundle;
}

/**
 * A bundle from what the user named: a directory is packed into a temporary file, a .tgz is read.
 * @throws DrawbridgeError `BUNDLE_SOURCE_MISSING`, `FILE_UNREADABLE` (invalid_argument) and those of packing and inspecting
 */
export async function openBundleSource(
  workingDirectory: string,
  source: string,
  onProgress: (progress: PackProgress) => void,
): Promise<BundleSource> {
  const path = resolve(workingDirectory, source);
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "BUNDLE_SOURCE_MISSING",
      message: `there is no file or directory ${path}; name an app's directory or a bundle built with "drawbridge bundle build"`,
    });
  }
  if (!found.isDirectory()) {
    const { manifest, sizeBytes, digest } = await inspectBundle(await openGivenFile(path));
    return { bundle: { file: path, digest, sizeBytes, manifest }, [Symbol.asyncDispose]: async () => undefined };
  }
  const temporary = await mkdtemp(join(tmpdir(), "drawbridge-bundle-"));
  const dispose = (): Promise<void> => rm(temporary, { recursive: true, force: true });
  try {
    const file = join(temporary, "bundle.tgz");
    const { manifest, sizeBytes, digest } = await writeBundleFile({ directory: path, file, onProgress });
    return { bundle: { file, digest, sizeBytes, manifest }, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
