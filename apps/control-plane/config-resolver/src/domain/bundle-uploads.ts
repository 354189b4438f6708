import { inspectBundle } from "@drawbridge/bundle";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { ArtefactDigest } from "./artefact-digest.ts";
import type { BundleBlobs } from "./bundle-blobs.ts";
import type { BundleRecords } from "./bundle-record.ts";
import type { DigestLock } from "./digest-lock.ts";
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
  removeAbandoned(instant: Date): Promise<readonly AbandonedUpload[]>;
}

export interface AbandonedUpload {
  readonly digest: ArtefactDigest;
  readonly sizeBytes: number;
}

export interface BundleUploadsDeps {
  readonly blobs: BundleBlobs;
  readonly bundles: BundleRecords;
  readonly lock: DigestLock;
  readonly clock: Pick<Clock, "now">;
}

export function createBundleUploads({ blobs, bundles, lock, clock }: BundleUploadsDeps): BundleUploads {
  const look = async (digest: ArtefactDigest) => {
    const blob = await blobs.state(digest);
    const isRecorded = blob.state === "stored" && (await bundles.find(digest)) !== undefined;
    return { blob, isRecorded };
  };

  async function appendPart(request: AppendRequest, lost: AbortSignal): Promise<UploadStatus> {
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
        return complete(digest, "stored", lost);
      case "append": {
        const maxBytes = totalBytes - offset;
        const chunks = unlessLost(atMost(request.content, maxBytes, totalBytes), lost);
        const sizeBytes = await blobs.append(digest, { offset, maxBytes, chunks });
        return sizeBytes === totalBytes ? complete(digest, "partial", lost) : { outcome: "partial", offset: sizeBytes };
      }
    }
  }

  /** Check all of it, then store, then record. A crash in between is mended by the next call. */
  async function complete(
    digest: ArtefactDigest,
    state: "partial" | "stored",
    lost: AbortSignal,
  ): Promise<UploadStatus> {
    const { manifest, sizeBytes } = await inspect(digest, state);
    lost.throwIfAborted();
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
    append: (request) => lock.hold(request.digest, (lost) => appendPart(request, lost), request.signal),
    removeAbandoned: async (instant) => {
      const removed: AbandonedUpload[] = [];
      for (const digest of await blobs.partialsUntouchedSince(instant)) {
        // Somebody who is at it, here or in another replica, keeps it.
        const held = await lock.tryHold(digest, () => blobs.discardPartialUntouchedSince(digest, instant));
        if (held.outcome === "done" && held.value !== undefined) removed.push({ digest, sizeBytes: held.value });
      }
      return removed;
    },
  };
}

/** Nothing more once the lock is lost: another replica may be writing. */
async function* unlessLost(chunks: AsyncIterable<Uint8Array>, lost: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    lost.throwIfAborted();
    yield chunk;
  }
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
