import { inspectBundle } from "@drawbridge/bundle";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { ArtefactDigest } from "./artefact-digest.ts";
import type { BundleBlobs } from "./bundle-blobs.ts";
import type { BundleRecords } from "./bundle-record.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import {
  nextUploadStep,
  offsetMismatch,
  tooManyBytes,
  uploadStatus,
  type UploadPart,
  type UploadStatus,
} from "./upload.ts";

export interface AppendRequest extends UploadPart {
  readonly digest: ArtefactDigest;
  readonly content: AsyncIterable<Uint8Array>;
  /** The caller hung up while it waited for its turn. */
  readonly signal: AbortSignal;
}

export interface BundleUploads {
  status(digest: ArtefactDigest): Promise<UploadStatus>;
  /**
   * Take the next part of a bundle. Parts of one bundle are taken one after the other; the last one has the whole checked,
   * stored and announced. Repeating any call is safe.
   * @throws DrawbridgeError `UPLOAD_OFFSET_MISMATCH` (failed_precondition, details.offset), `UPLOAD_TOO_LONG` and the codes of
   * `inspectBundle` (invalid_argument), `DISK_FULL` (resource_exhausted), and what `content` throws; what arrived is kept
   */
  append(request: AppendRequest): Promise<UploadStatus>;
  /** Remove partial uploads that nobody went on with since `instant`; says which. */
  removeAbandoned(instant: Date): Promise<readonly ArtefactDigest[]>;
}

export interface BundleUploadsDeps {
  readonly blobs: BundleBlobs;
  readonly bundles: BundleRecords;
  readonly lock: KeyedLock;
  readonly clock: Pick<Clock, "now">;
}

export function createBundleUploads({ blobs, bundles, lock, clock }: BundleUploadsDeps): BundleUploads {
  const look = async (digest: ArtefactDigest) => {
    const blob = await blobs.state(digest);
    const isRecorded = blob.state === "stored" && (await bundles.find(digest)) !== undefined;
    return { blob, isRecorded };
  };

  async function appendPart(request: AppendRequest): Promise<UploadStatus> {
    const { digest, offset, totalBytes } = request;
    const { blob, isRecorded } = await look(digest);
    const next = nextUploadStep(blob, isRecorded, request);
    switch (next.step) {
      case "answer-stored":
        return { outcome: "stored", sizeBytes: next.sizeBytes };
      case "refuse-offset":
        throw offsetMismatch(next.offset);
      case "start-over":
        await blobs.discardPartial(digest);
        throw offsetMismatch(0);
      case "register":
        return complete(digest, "stored");
      case "append": {
        const maxBytes = totalBytes - offset;
        const chunks = atMost(request.content, maxBytes, totalBytes);
        const sizeBytes = await blobs.append(digest, { offset, maxBytes, chunks });
        return sizeBytes === totalBytes ? complete(digest, "partial") : { outcome: "partial", offset: sizeBytes };
      }
    }
  }

  /** Check all of it, then store, then record. A crash in between is mended by the next call. */
  async function complete(digest: ArtefactDigest, state: "partial" | "stored"): Promise<UploadStatus> {
    const { manifest, sizeBytes } = await inspect(digest, state);
    if (state === "partial") await blobs.promote(digest);
    await bundles.record({
      digest,
      sizeBytes,
      appName: manifest.name,
      version: manifest.version,
      manifestJson: JSON.stringify(manifest),
      storedAt: clock.now(),
    });
    return { outcome: "stored", sizeBytes };
  }

  async function inspect(digest: ArtefactDigest, state: "partial" | "stored") {
    try {
      return await inspectBundle(blobs.read(digest, state), { expectedDigest: digest });
    } catch (error) {
      // Its content is at fault and will not get better. Any other error is ours, and the upload may be tried again.
      if (isDrawbridgeError(error) && error.kind === "invalid_argument") await blobs.discardPartial(digest);
      throw error;
    }
  }

  return {
    status: async (digest) => {
      const { blob, isRecorded } = await look(digest);
      return uploadStatus(blob, isRecorded);
    },
    append: (request) =>
      lock.hold(request.digest, () => {
        request.signal.throwIfAborted();
        return appendPart(request);
      }),
    removeAbandoned: async (instant) => {
      const removed: ArtefactDigest[] = [];
      for (const digest of await blobs.partialsUntouchedSince(instant)) {
        if (lock.isHeld(digest)) continue; // somebody is at it
        await lock.hold(digest, () => blobs.discardPartial(digest));
        removed.push(digest);
      }
      return removed;
    },
  };
}

/** Pass `leftBytes` on; more is an error, after they were passed on. */
async function* atMost(
  content: AsyncIterable<Uint8Array>,
  leftBytes: number,
  totalBytes: number,
): AsyncGenerator<Uint8Array> {
  let left = leftBytes;
  for await (const chunk of content) {
    if (chunk.byteLength > left) {
      yield chunk.subarray(0, left);
      throw tooManyBytes(totalBytes);
    }
    left -= chunk.byteLength;
    yield chunk;
  }
}
