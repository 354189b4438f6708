import { DrawbridgeError } from "@drawbridge/errors";
import { field } from "@drawbridge/telemetry";

/** Why the wish of an app could not be brought up: the reason and sentence of its Failed condition. */
export interface Failure {
  /** CamelCase, stable. */
  readonly reason: string;
  readonly message: string;
  /** Whether it may pass by itself soon (a peer away), or a pause of minutes is due. */
  readonly outlook: "soon" | "later";
}

const reasonByCode: Readonly<Record<string, string>> = {
  BUNDLE_DIGEST_MISMATCH: "BundleDigestMismatch",
  BUNDLE_NOT_FOUND: "BundleUnavailable",
  ARTEFACT_NOT_FOUND: "BundleUnavailable",
  ARTEFACT_NOT_ENTITLED: "BundleUnavailable",
  DISK_FULL: "DiskFull",
  MANIFEST_INVALID: "BundleRefused",
  CONFIGURATION_INVALID: "ConfigurationInvalid",
};

/**
 * The failure behind an error. Drivers name their reason themselves; errors that are not ours may hold anything and are
 * not shown.
 */
export function failureOf(error: unknown, doing: "bundle" | "configuration" | "apply" | "remove"): Failure {
  if (!(error instanceof DrawbridgeError)) {
    return { reason: "InternalError", message: "the agent failed unexpectedly: see its log", outlook: "later" };
  }
  // A peer comes back and a disk gets room without anybody touching the app.
  const outlook = error.kind === "unavailable" || error.code === "DISK_FULL" ? "soon" : "later";
  return { reason: reasonOf(error, doing), message: error.message, outlook };
}

/** Errors that the app or its deployment made: its owner needs the sentence, nobody needs the agent's stack. */
const faultsOfApps: ReadonlySet<string> = new Set([
  "APP_CRASH_LOOP",
  "APP_NOT_READY",
  "CONFIGURATION_INVALID",
  "MANIFEST_INVALID",
  "PORT_IN_USE",
  "PORT_UNAVAILABLE",
]);

/** Fields of the log record about a failed step. */
export function logFieldsOf(error: unknown): object {
  if (error instanceof DrawbridgeError && faultsOfApps.has(error.code))
    return { [field.errorCode]: error.code, error_message: error.message };
  return { err: error };
}

function reasonOf(error: DrawbridgeError, doing: "bundle" | "configuration" | "apply" | "remove"): string {
  const given = error.details["reason"];
  if ((doing === "apply" || doing === "remove") && given !== undefined && /^[A-Z][A-Za-z]{1,60}$/.test(given))
    return given;
  const known = Object.hasOwn(reasonByCode, error.code) ? reasonByCode[error.code] : undefined;
  if (doing === "configuration")
    return known === "DiskFull" || known === "ConfigurationInvalid" ? known : "ConfigurationUnavailable";
  if (known !== undefined) return known;
  if (doing === "bundle") return error.code.startsWith("BUNDLE_") ? "BundleRefused" : "BundleUnavailable";
  return doing === "remove" ? "RemoveFailed" : "ApplyFailed";
}
