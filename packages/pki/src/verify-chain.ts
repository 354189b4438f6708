import { X509Certificate } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { isP256 } from "./key-pair.ts";
import { parseSpiffeId, type SpiffeIdentity } from "./spiffe-id.ts";
import type { TrustBundle } from "./trust-bundle.ts";

/** A leaf whose chain was verified. */
export interface VerifiedLeaf {
  readonly spiffeId: string;
  readonly identity: SpiffeIdentity;
  /** Lower-case hex. */
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly certificate: X509Certificate;
}

/**
 * Verify leaf <- issuing CA <- root of the bundle at an instant. For what TLS does not verify for us: signatures on
 * documents and identities read from disk. There is one shape of chain (design R2), so this is no general path builder;
 * OpenSSL does the parsing, the issuer match and the signatures.
 * @throws DrawbridgeError (unauthenticated) `CERTIFICATE_CHAIN_INVALID` | `CERTIFICATE_EXPIRED`; `CERTIFICATE_NAME_INVALID`
 */
export function verifyChain(options: {
  /** Leaf first. */
  readonly chain: readonly X509Certificate[];
  readonly trustBundle: TrustBundle;
  readonly at: Date;
}): VerifiedLeaf {
  const [leaf, issuing, ...more] = options.chain;
  if (!leaf || !issuing) throw chainInvalid("must hold the leaf and its issuing CA");
  const root = options.trustBundle.rootsDer
    .map((der) => new X509Certificate(Buffer.from(der)))
    .find((candidate) => issuing.checkIssued(candidate) && issuing.verify(candidate.publicKey));
  if (!root) throw chainInvalid("does not lead to a trusted root");
  if (more.some((extra) => !extra.raw.equals(root.raw))) throw chainInvalid("is longer than leaf, issuing CA and root");
  if (leaf.ca || !issuing.ca || !root.ca) throw chainInvalid("has a certificate in the wrong role");
  if (!leaf.checkIssued(issuing) || !leaf.verify(issuing.publicKey))
    throw chainInvalid("is broken: the leaf is not its issuer's");
  if (![leaf, issuing, root].every((certificate) => isP256(certificate.publicKey)))
    throw chainInvalid("has a key that is not P-256");
  for (const certificate of [root, issuing, leaf]) assertValidAt(certificate, options.at);
  const name = nameOfLeaf(leaf);
  if (name.identity.trustDomain !== options.trustBundle.trustDomain) throw chainInvalid("is of another trust domain");
  return {
    ...name,
    serialNumber: serialNumberOf(leaf),
    notBefore: leaf.validFromDate,
    notAfter: leaf.validToDate,
    certificate: leaf,
  };
}

/**
 * The one URI SAN of a leaf.
 * @throws DrawbridgeError `CERTIFICATE_NAME_INVALID` (unauthenticated): none, several, or not one of ours
 */
export function nameOfLeaf(leaf: X509Certificate): { readonly spiffeId: string; readonly identity: SpiffeIdentity } {
  const san = leaf.subjectAltName ?? "";
  // Several names would show a comma, and odd characters quotes: neither is part of a SPIFFE ID.
  const spiffeId = san.startsWith("URI:") ? san.slice("URI:".length) : "";
  try {
    if (!leaf.ca) return { spiffeId, identity: parseSpiffeId(spiffeId) };
  } catch {
    // Reported below: what the certificate says is not repeated to a caller who could not be identified.
  }
  throw new DrawbridgeError({
    kind: "unauthenticated",
    code: "CERTIFICATE_NAME_INVALID",
    message: "the certificate does not carry exactly one SPIFFE ID of ours",
  });
}

/** Lower-case hex, as in records and events. */
export function serialNumberOf(certificate: X509Certificate): string {
  return certificate.serialNumber.toLowerCase();
}

function assertValidAt(certificate: X509Certificate, at: Date): void {
  if (at >= certificate.validFromDate && at < certificate.validToDate) return;
  const isEarly = at < certificate.validFromDate;
  throw new DrawbridgeError({
    kind: "unauthenticated",
    code: "CERTIFICATE_EXPIRED",
    message: isEarly
      ? `the certificate is valid from ${certificate.validFromDate.toISOString()} and it is ${at.toISOString()}: check the clock`
      : `the certificate expired at ${certificate.validToDate.toISOString()} and it is ${at.toISOString()}`,
    details: { notBefore: certificate.validFromDate.toISOString(), notAfter: certificate.validToDate.toISOString() },
  });
}

function chainInvalid(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "CERTIFICATE_CHAIN_INVALID",
    message: `the certificate chain ${what}`,
  });
}
