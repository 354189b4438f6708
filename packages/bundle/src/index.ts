export { manifestFileName, manifestSchema, type Manifest, type PropertySchema } from "./manifest/manifest-schema.ts";
export { manifestProblems, parseManifest, type ManifestProblem } from "./manifest/parse-manifest.ts";
export {
  checkPropertyValue,
  validateConfiguration,
  type ConfigurationProblem,
  type ConfigurationVerdict,
} from "./manifest/validate-configuration.ts";
