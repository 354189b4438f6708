import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

/** A certificate with its chain and key, as it lies in a folder. */
export interface CertificateFile {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  /** DNS names, lower case, "*.example.com" for one label in front. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export type ParsedPair =
  | { readonly parsed: "pair"; readonly pair: CertificateFile }
  /** One clause for people, without anything of the key. */
  | { readonly parsed: "broken"; readonly problem: string };

/**
 * What a server can show and prove to be: leaf first, a key that is the leaf's, and at least one DNS name in the subject
 * alternative name; the common name counts for nothing (RFC 9525 6.3).
 */
export function parsePair(certificateChainPem: string, privateKeyPem: string): ParsedPair {
  const broken = (problem: string): ParsedPair => ({ parsed: "broken", problem });
  const leaf = attempt(() => new X509Certificate(certificateChainPem));
  if (leaf === undefined) return broken("tls.crt is no certificate in PEM");
  const key = attempt(() => createPrivateKey(privateKeyPem));
  if (key === undefined) return broken("tls.key is no private key in PEM without a passphrase");
  if (!leaf.checkPrivateKey(key)) return broken("tls.key is not the key of the first certificate in tls.crt");
  if (attempt(() => createSecureContext({ cert: certificateChainPem, key: privateKeyPem })) === undefined) {
    return broken("TLS does not take the chain in tls.crt");
  }
  const names = dnsNames(leaf.subjectAltName ?? "");
  if (names.length === 0) return broken("the certificate has no DNS name in its subject alternative name");
  const { validFromDate: notBefore, validToDate: notAfter } = leaf;
  return { parsed: "pair", pair: { certificateChainPem, privateKeyPem, names, notBefore, notAfter } };
}

/** Names that a client may match: an asterisk only as the whole of the first label, with another one behind it. */
function dnsNames(subjectAltName: string): string[] {
  const said = [...subjectAltName.matchAll(/(?:^|, )DNS:([^",\s]+)(?=,|$)/g)].map(([, name = ""]) => name);
  const names = said.map((name) => name.toLowerCase().replace(/\.$/, ""));
  return [...new Set(names.filter((name) => /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name)))];
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
