import { DrawbridgeError } from "@drawbridge/errors";
import type { ApiKey } from "./api-key.ts";
import { fieldError, type FieldProblem } from "./field-error.ts";

export const limits = {
  openapiBytes: 1024 * 1024,
  configurationBytes: 256 * 1024,
  assetBytes: 1024 * 1024,
  assetsPerPolicy: 8,
  conditionsPerPolicy: 50,
  /** More on one API is a mistake; gateways refuse it. Of its own and automated ones. */
  policiesPerOwner: 32,
  tiersPerApi: 100,
  limitsPerTier: 8,
  /** So many secrets of a client are valid at once. */
  secretsPerClient: 5,
  overlapSeconds: 90 * 86_400,
  routeWords: 200,
  /** At the same time. */
  capturesPerApi: 5,
  captureSeconds: 86_400,
} as const;

/** A DNS label (RFC 1123 2.1): what paths, file names and logs all carry. */
const labelPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** As a manifest has it. */
const versionPattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

/** @throws DrawbridgeError `FABRIC_ID_INVALID` (invalid_argument) */
export function assertFabricId(fabricId: string): string {
  if (isUuid(fabricId)) return fabricId;
  throw invalid("FABRIC_ID_INVALID", "fabric_id must be a lower-case UUID");
}

/** @throws DrawbridgeError `REQUEST_ID_INVALID` (invalid_argument) */
export function assertRequestId(requestId: string): string {
  if (isUuid(requestId)) return requestId;
  throw invalid("REQUEST_ID_INVALID", "request_id must be a lower-case UUID");
}

/** @throws DrawbridgeError `ORG_NAME_INVALID` | `ENVIRONMENT_NAME_INVALID` (invalid_argument) */
export function assertLabel(name: string, code: "ORG_NAME_INVALID" | "ENVIRONMENT_NAME_INVALID"): string {
  if (labelPattern.test(name)) return name;
  const noun = code === "ORG_NAME_INVALID" ? "organisation" : "environment name";
  throw invalid(code, `the ${noun} must be 1 to 63 of a-z, 0-9 and "-", starting and ending with a letter or digit`);
}

/**
 * Sorted, each once.
 * @throws DrawbridgeError `code` (invalid_argument), with fields
 */
export function assertRouteWords(
  words: readonly string[],
  code: "API_INVALID" | "ANALYTICS_SETTINGS_INVALID",
): readonly string[] {
  const distinct = [...new Set(words)].toSorted();
  const isValid = distinct.length <= limits.routeWords && distinct.every((word) => /^[a-z]{2,32}$/.test(word));
  if (isValid) return distinct;
  const message = `must be at most ${limits.routeWords} words of 2 to 32 lower-case letters`;
  throw fieldError(code, [{ field: "routeWords", message }]);
}

/** @throws DrawbridgeError `API_INVALID` (invalid_argument), with fields */
export function assertApiKey(key: ApiKey | undefined): ApiKey {
  const { environment = "", name = "", version = "" } = key ?? {};
  const problems = [
    ...labelProblems("environment", environment),
    ...textProblems("name", name, { atLeast: 1, atMost: 128 }),
    ...(versionPattern.test(version)
      ? []
      : [{ field: "version", message: 'must be 1 to 64 letters, digits, ".", "_", "+" or "-", for example "v1"' }]),
  ];
  if (problems.length > 0) throw fieldError("API_INVALID", problems);
  return { environment, name, version };
}

export function labelProblems(field: string, text: string): readonly FieldProblem[] {
  if (labelPattern.test(text)) return [];
  return [{ field, message: 'must be 1 to 63 of a-z, 0-9 and "-", starting and ending with a letter or digit' }];
}

/** Text that people read: no control characters, so that it never moves a terminal's cursor. */
export function textProblems(
  field: string,
  text: string,
  { atLeast = 0, atMost }: { readonly atLeast?: number; readonly atMost: number },
): readonly FieldProblem[] {
  if (text.length < atLeast) return [{ field, message: "must not be empty" }];
  if (text.length > atMost) return [{ field, message: `must have at most ${atMost} characters` }];
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(text)) return [{ field, message: "must not have control characters" }];
  return [];
}

function invalid(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code, message });
}
