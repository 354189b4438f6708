/** Limits on what one bundle may cost whoever takes it. */
export interface BundleLimits {
  /** Of the .tgz. */
  readonly maxSizeBytes: number;
  /** Of the tar inside: contents, headers and padding. */
  readonly maxUnpackedBytes: number;
  readonly maxEntries: number;
  /** Unpacked to packed, looked at once `ratioGraceBytes` came out. gzip itself ends at about 1030. */
  readonly maxRatio: number;
  readonly ratioGraceBytes: number;
  readonly maxPathBytes: number;
  readonly maxManifestBytes: number;
}

const GiB = 2 ** 30;
const MiB = 2 ** 20;

export const defaultBundleLimits: BundleLimits = {
  maxSizeBytes: 2 * GiB,
  maxUnpackedBytes: 8 * GiB,
  maxEntries: 200_000,
  maxRatio: 250,
  ratioGraceBytes: 64 * MiB,
  maxPathBytes: 1_024,
  maxManifestBytes: 256 * 1_024,
};
