import type { ArtefactDigest } from "./artefact-digest.ts";
import type { BlobState } from "./upload.ts";

export interface BlobPart {
  readonly offset: number;
  /** How many bytes there will be at most: refused at once if there is no room for them. */
  readonly maxBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Where bundles lie: whole under their digest, or partial on their way. */
export interface BundleBlobs {
  state(digest: ArtefactDigest): Promise<BlobState>;
  /**
   * Add bytes at `offset`, the present end. Durable when it resolves and when it rejects. Returns the new size.
   * @throws DrawbridgeError `DISK_FULL` (resource_exhausted): nothing of the blob is left; and what `chunks` throws
   */
  append(digest: ArtefactDigest, part: BlobPart): Promise<number>;
  read(digest: ArtefactDigest, state: "partial" | "stored"): AsyncIterable<Uint8Array>;
  /** Make a checked partial blob a stored one, atomically and durably. */
  promote(digest: ArtefactDigest): Promise<void>;
  discardPartial(digest: ArtefactDigest): Promise<void>;
  /** Partial blobs that nobody wrote to since `instant`. */
  partialsUntouchedSince(instant: Date): Promise<readonly ArtefactDigest[]>;
}
