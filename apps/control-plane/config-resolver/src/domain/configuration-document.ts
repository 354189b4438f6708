import { DrawbridgeError } from "@drawbridge/errors";

export interface ConfigurationDocument {
  readonly properties: Readonly<Record<string, string>>;
  readonly secureProperties: Readonly<Record<string, string>>;
  /** JWE, readable by the fabric only. */
  readonly sealedProperties: Readonly<Record<string, string>>;
}

/** Largest document as JSON: 1 MiB. */
export const maxConfigurationBytes = 1_048_576;

/**
 * The document as the agent gets it: JSON with sorted names, so that the same properties are the same bytes.
 * @throws DrawbridgeError `CONFIGURATION_TOO_LARGE` (invalid_argument)
 */
export function encodeConfiguration(document: ConfigurationDocument): Buffer {
  const bytes = Buffer.from(
    JSON.stringify({
      properties: sorted(document.properties),
      secureProperties: sorted(document.secureProperties),
      sealedProperties: sorted(document.sealedProperties),
    }),
  );
  if (bytes.byteLength <= maxConfigurationBytes) return bytes;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "CONFIGURATION_TOO_LARGE",
    message: `the configuration has ${bytes.byteLength} bytes as JSON, and may have ${maxConfigurationBytes}; put large values into the bundle or a store of the app's own`,
    details: { sizeBytes: String(bytes.byteLength), maxBytes: String(maxConfigurationBytes) },
  });
}

/** Sorted by code units, into an object that takes any name ("__proto__" too). */
function sorted(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
