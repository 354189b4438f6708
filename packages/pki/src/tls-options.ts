import { constants } from "node:crypto";
import { X509Certificate } from "node:crypto";
import type { ConnectionOptions, PeerCertificate, TlsOptions } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import { chainToPem, type IdentitySnapshot } from "./identity.ts";
import { derToPem } from "./pem.ts";
import { spiffePath } from "./spiffe-id.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import { nameOfLeaf } from "./verify-chain.ts";

export interface ServerTlsOptions {
  readonly clientCertificate: "required" | "none";
  /** Default ["h2"]. */
  readonly alpnProtocols?: readonly string[];
  /** Also send the roots, for callers that know only a pin of one (activation). Default false. */
  readonly sendRoots?: boolean;
}

/**
 * TLS 1.3 only. Session tickets are off: Node accepts a resumed session after the client certificate has expired, so
 * with tickets neither expiry nor revocation would hold (design R9, test R26 j).
 */
export function serverTlsOptions(identity: IdentitySnapshot, options: ServerTlsOptions): TlsOptions {
  const roots = options.sendRoots ? chainToPem(identity.trustBundle.rootsDer) : "";
  const isRequired = options.clientCertificate === "required";
  return {
    cert: identity.certificateChainPem + roots,
    key: identity.privateKeyPem,
    ca: rootsPem(identity.trustBundle),
    requestCert: isRequired,
    rejectUnauthorized: isRequired,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ALPNProtocols: [...(options.alpnProtocols ?? ["h2"])],
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

export interface ClientTlsOptions {
  /** Path of the SPIFFE ID that the server must show: "/cp/runtime-manager". The trust domain is the bundle's. */
  readonly expectedServer: string;
  /** Default ["h2"]. */
  readonly alpnProtocols?: readonly string[];
}

/**
 * TLS 1.3 only; the server is who its SPIFFE ID says, whatever its host name or address. With an identity the client
 * shows its certificate, with a bare bundle it does not (one-way TLS).
 */
export function clientTlsOptions(
  identity: IdentitySnapshot | { readonly trustBundle: TrustBundle },
  options: ClientTlsOptions,
): ConnectionOptions {
  const { trustBundle } = identity;
  const expected = `spiffe://${trustBundle.trustDomain}${options.expectedServer}`;
  return {
    ...("privateKeyPem" in identity ? { cert: identity.certificateChainPem, key: identity.privateKeyPem } : {}),
    ca: rootsPem(trustBundle),
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ALPNProtocols: [...(options.alpnProtocols ?? ["h2"])],
    checkServerIdentity: (_host: string, peer: PeerCertificate) => serverNameError(peer, expected),
  };
}

function serverNameError(peer: PeerCertificate, expected: string): Error | undefined {
  try {
    const { spiffeId } = nameOfLeaf(new X509Certificate(peer.raw));
    return spiffeId === expected ? undefined : unexpectedServer(expected, spiffeId);
  } catch {
    return unexpectedServer(expected, "no SPIFFE ID of ours");
  }
}

/** The path of the server that a certificate names, or nothing. */
export function serverPathOf(certificate: X509Certificate): { readonly path: string; readonly trustDomain: string } {
  const { identity } = nameOfLeaf(certificate);
  return { path: spiffePath(identity), trustDomain: identity.trustDomain };
}

export function unexpectedServer(expected: string, actual: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "SERVER_IDENTITY_UNEXPECTED",
    message: `the server is ${actual}, expected ${expected}`,
    details: { expected, actual },
  });
}

function rootsPem(bundle: TrustBundle): string[] {
  if (bundle.rootsDer.length === 0) throw new Error("an empty trust bundle would trust the system's roots");
  return bundle.rootsDer.map((der) => derToPem(der, "CERTIFICATE"));
}
