export { manifestFileName, manifestSchema, type Manifest, type PropertySchema } from "./manifest/manifest-schema.ts";
export { manifestProblems, parseManifest, type ManifestProblem } from "./manifest/parse-manifest.ts";
export {
  checkPropertyValue,
  validateConfiguration,
  type ConfigurationProblem,
  type ConfigurationVerdict,
} from "./manifest/validate-configuration.ts";
export { packBundle, type PackBundleOptions, type PackedBundle } from "./pack/pack-bundle.ts";
export type { PackProgress } from "./pack/write-entries.ts";
export { writeBundleFile, type WriteBundleFileOptions } from "./pack/write-bundle-file.ts";
export { inspectBundle, type BundleInspection, type InspectBundleOptions } from "./archive/inspect-bundle.ts";
export {
  removeAbandonedUnpacks,
  removeUnpackedBundle,
  unpackBundle,
  type UnpackBundleOptions,
  type UnpackedBundle,
} from "./archive/unpack-bundle.ts";
export { linkUnpackedBundle } from "./archive/link-bundle.ts";
export type { ArchiveEntry } from "./archive/archive-tree.ts";
export { defaultBundleLimits, type BundleLimits } from "./archive/bundle-limits.ts";
