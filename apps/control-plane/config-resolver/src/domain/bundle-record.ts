import type { ArtefactDigest } from "./artefact-digest.ts";

/** A stored bundle, as others see it. */
export interface BundleRecord {
  readonly digest: ArtefactDigest;
  readonly sizeBytes: number;
  readonly appName: string;
  readonly version: string;
  readonly manifestJson: string;
  readonly storedAt: Date;
}

export interface BundleRecords {
  /**
   * What is stored under the digest, unless it is being removed. Whoever asks is about to deploy it: the grace period of the
   * garbage collection begins anew.
   */
  find(digest: ArtefactDigest): Promise<BundleRecord | undefined>;
  /** Record a bundle and announce it, once however often it is called. One that was being removed is taken back. */
  record(bundle: BundleRecord): Promise<void>;
}
