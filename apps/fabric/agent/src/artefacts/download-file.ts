import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rm, stat, type FileHandle } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { errorCodeOf } from "../state/atomic-file.ts";
import type { ResolverClient } from "./resolver-client.ts";

export interface DownloadFileOptions {
  readonly client: Pick<ResolverClient, "open">;
  /** Path at config-resolver. */
  readonly path: string;
  /** "sha256:<hex>" */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Where it goes; what an interrupted download left there is continued. */
  readonly file: string;
}

/**
 * Fetch a bundle into a file: one attempt, which continues where the last one stopped. The digest is computed while it
 * streams. What arrived stays when the connection breaks; a file of the wrong size or digest is removed.
 * @throws DrawbridgeError `BUNDLE_DIGEST_MISMATCH` (data_loss), `DISK_FULL` (resource_exhausted), `ARTEFACT_UNREACHABLE`
 *   (unavailable) and what the client throws
 */
export async function downloadFile(options: DownloadFileOptions, signal: AbortSignal): Promise<void> {
  const { client, path, digest, sizeBytes, file } = options;
  let haveBytes = await sizeOf(file);
  if (haveBytes > sizeBytes) {
    await rm(file, { force: true });
    haveBytes = 0;
  }
  const hash = createHash("sha256");
  if (haveBytes < sizeBytes) {
    const download = await client.open({ path, fromByte: haveBytes, what: "bundle" }, signal);
    try {
      if (download.startsAt > 0) await hashFile(file, hash, signal);
      const total = await append(download.body, { file, hash, startsAt: download.startsAt, sizeBytes });
      if (total < sizeBytes) throw cutShort(total, sizeBytes);
    } finally {
      download.body.destroy();
    }
  } else {
    await hashFile(file, hash, signal);
  }
  const actual = `sha256:${hash.digest("hex")}`;
  if (actual === digest) return;
  await rm(file, { force: true });
  throw mismatch(digest, actual);
}

async function append(
  body: AsyncIterable<unknown>,
  to: { readonly file: string; readonly hash: Hash; readonly startsAt: number; readonly sizeBytes: number },
): Promise<number> {
  const handle = await open(to.file, to.startsAt === 0 ? "w" : "r+", 0o600);
  let position = to.startsAt;
  try {
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) continue;
      if (position + chunk.length > to.sizeBytes) throw tooLong(to.sizeBytes);
      await writeAll(handle, chunk, position);
      to.hash.update(chunk);
      position += chunk.length;
    }
    return position;
  } catch (error) {
    if (error instanceof DrawbridgeError) throw error;
    if (errorCodeOf(error) === "ENOSPC" || errorCodeOf(error) === "EDQUOT")
      throw diskFull(to.file, to.sizeBytes - position, error);
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "ARTEFACT_UNREACHABLE",
      message: `the download stopped after ${position} of ${to.sizeBytes} bytes; it goes on from there`,
      cause: error,
    });
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}

async function hashFile(file: string, hash: Hash, signal: AbortSignal): Promise<void> {
  for await (const chunk of createReadStream(file, { signal })) {
    if (chunk instanceof Uint8Array) hash.update(chunk);
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (errorCodeOf(error) === "ENOENT") return 0;
    throw error;
  }
}

function mismatch(expected: string, actual: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "BUNDLE_DIGEST_MISMATCH",
    message: `the bundle was refused: its digest is ${actual}, the deployment names ${expected}. It was changed or damaged on its way`,
    details: { expected, actual },
  });
}

function cutShort(haveBytes: number, sizeBytes: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ARTEFACT_UNREACHABLE",
    message: `the download stopped after ${haveBytes} of ${sizeBytes} bytes; it goes on from there`,
  });
}

function tooLong(sizeBytes: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "BUNDLE_DIGEST_MISMATCH",
    message: `the bundle was refused: it is longer than the ${sizeBytes} bytes that the deployment names`,
  });
}

export function diskFull(path: string, missingBytes: number, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "DISK_FULL",
    message: `no space left in the state folder for the bundle: about ${Math.ceil(missingBytes / 2 ** 20)} MiB more are needed there`,
    details: { path },
    cause,
  });
}
