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
  find(digest: ArtefactDigest): Promise<BundleRecord | undefined>;
  /** Record a bundle and announce it, once however often it is called. */
  record(bundle: BundleRecord): Promise<void>;
}
