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
  /** Remove a partial blob if still nobody wrote to it since `instant`. Returns its size. */
  discardPartialUntouchedSince(digest: ArtefactDigest, instant: Date): Promise<number | undefined>;
  /** All that are stored, in pages, in no particular order. */
  storedDigests(pageSize: number): AsyncIterable<readonly ArtefactDigest[]>;
  /** Remove a stored blob durably, unless this process is giving it to somebody. One that is not there is removed. */
  removeStored(digest: ArtefactDigest): Promise<BlobRemoval>;
  usage(): Promise<BlobUsage>;
}

export type BlobRemoval = { readonly outcome: "removed"; readonly sizeBytes: number } | { readonly outcome: "in-use" };

/** What is kept, and the room that there is for it. */
export interface BlobUsage {
  readonly stored: { readonly count: number; readonly sizeBytes: number };
  readonly partial: { readonly count: number; readonly sizeBytes: number };
  readonly freeBytes: number;
  readonly totalBytes: number;
}
