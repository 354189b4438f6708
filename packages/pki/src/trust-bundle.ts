import type { X509Certificate } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseCertificate } from "./certificate.ts";
import { derToPem } from "./pem.ts";

/** The roots that a party trusts. */
export interface TrustBundle {
  /** Grows by one with every change (SPIFFE trust domain and bundle, spiffe_sequence). */
  readonly sequence: bigint;
  readonly trustDomain: string;
  readonly rootsDer: readonly Uint8Array[];
  /** How often to ask again (spiffe_refresh_hint). */
  readonly refreshHintSeconds: number;
}

/** Five minutes: design R5. */
export const defaultRefreshHintSeconds = 300;
const maxBundleCharacters = 64 * 1024;
const maxRoots = 16;
const trustDomainPattern = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/;

/** The text of trust-bundle.json: {trust_domain, spiffe_sequence, spiffe_refresh_hint, roots: [PEM]}. */
export function trustBundleToJson(bundle: TrustBundle): string {
  return `${JSON.stringify(
    {
      trust_domain: bundle.trustDomain,
      spiffe_sequence: Number(bundle.sequence),
      spiffe_refresh_hint: bundle.refreshHintSeconds,
      roots: bundle.rootsDer.map((der) => derToPem(der, "CERTIFICATE")),
    },
    undefined,
    2,
  )}\n`;
}

/**
 * Read trust-bundle.json. Every root must be a readable, self-signed CA certificate; there is at least one.
 * @throws DrawbridgeError `TRUST_BUNDLE_INVALID` (invalid_argument)
 */
export function parseTrustBundleJson(text: string): TrustBundle {
  if (text.length > maxBundleCharacters) throw invalid(`is longer than ${maxBundleCharacters} characters`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid("is not JSON", cause);
  }
  if (typeof json !== "object" || json === null) throw invalid("is not an object");
  const field = (name: string): unknown => (json as Record<string, unknown>)[name]; // an object, checked above
  const sequence = field("spiffe_sequence");
  const refreshHintSeconds = field("spiffe_refresh_hint");
  const trustDomain = field("trust_domain");
  const roots = field("roots");
  if (!isWholeNumber(sequence)) throw invalid("needs spiffe_sequence, a whole number");
  if (!isWholeNumber(refreshHintSeconds)) throw invalid("needs spiffe_refresh_hint, a whole number of seconds");
  if (typeof trustDomain !== "string") throw invalid("needs trust_domain, a text");
  if (!Array.isArray(roots) || !roots.every((root) => typeof root === "string"))
    throw invalid("needs roots, a list of PEM");
  return createTrustBundle({
    sequence: BigInt(sequence),
    trustDomain,
    refreshHintSeconds,
    rootsDer: roots.map((pem) => new Uint8Array(readRoot(pem).raw)),
  });
}

/**
 * A trust bundle from its parts, checked: used for bundles that arrive over the wire.
 * @throws DrawbridgeError `TRUST_BUNDLE_INVALID` (invalid_argument)
 */
export function createTrustBundle(parts: TrustBundle): TrustBundle {
  if (!trustDomainPattern.test(parts.trustDomain)) throw invalid("has no valid trust domain");
  // JSON carries it (SPIFFE trust domain and bundle, spiffe_sequence), exactly up to here.
  if (parts.sequence < 0n || parts.sequence > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid("has no valid sequence");
  if (parts.rootsDer.length === 0 || parts.rootsDer.length > maxRoots)
    throw invalid(`must have 1 to ${maxRoots} roots`);
  for (const der of parts.rootsDer) readRoot(der);
  return parts;
}

function readRoot(root: string | Uint8Array): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = parseCertificate(root);
  } catch (cause) {
    throw invalid("has a root that cannot be read", cause);
  }
  if (!certificate.ca || !certificate.checkIssued(certificate) || !certificate.verify(certificate.publicKey)) {
    throw invalid("has a root that is not a self-signed CA certificate");
  }
  return certificate;
}

function isWholeNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "TRUST_BUNDLE_INVALID",
    message: `the trust bundle ${what}`,
    cause,
  });
}
