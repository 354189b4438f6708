import { createHash, randomBytes, sign, X509Certificate, type KeyObject } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Extension,
  Extensions,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";
import { pemToDer } from "./pem.ts";
import { ecdsaWithSha256, encodeSigned } from "./signed-der.ts";

/** A CA that can sign: its certificate and its private key. */
export interface SigningCa {
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
}

export interface CertificateFields {
  readonly serialNumber: string;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly spki: SubjectPublicKeyInfo;
  readonly extensions: readonly Extension[];
}

/** A SubjectPublicKeyInfo, parsed and kept. */
export function parseSpki(spkiDer: Uint8Array): SubjectPublicKeyInfo {
  return AsnConvert.parse(spkiDer, SubjectPublicKeyInfo);
}

const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });

/**
 * A new serial number: 20 octets, the most that RFC 5280 4.1.2.2 allows, 158 bits of them random. The two highest bits
 * are 01, so that every number is positive and has the same length.
 */
export function generateSerialNumber(): string {
  const bytes = randomBytes(20);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

/** What gets signed, DER. */
export function encodeTbs(fields: CertificateFields): Uint8Array {
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: arrayBufferOf(Buffer.from(fields.serialNumber, "hex")),
    signature: signatureAlgorithm,
    issuer: fields.issuer,
    validity: new Validity({ notBefore: fields.notBefore, notAfter: fields.notAfter }),
    subject: fields.subject,
    subjectPublicKeyInfo: fields.spki,
    extensions: new Extensions([...fields.extensions]),
  });
  return new Uint8Array(AsnConvert.serialize(tbsCertificate));
}

/**
 * A certificate or a revocation list, DER. Synchronous: a P-256 signature takes less time (30 µs) than the way to
 * another thread and back.
 */
export function signTbs(tbs: Uint8Array, signingKey: KeyObject): Uint8Array {
  return encodeSigned({ content: tbs, signature: sign("sha256", tbs, signingKey) });
}

export function nameOf(attributes: { readonly commonName: string; readonly organisation: string }): Name {
  const attribute = (type: string, utf8String: string): RelativeDistinguishedName =>
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) })]);
  return new Name([attribute("2.5.4.10", attributes.organisation), attribute("2.5.4.3", attributes.commonName)]);
}

export function extension(options: {
  readonly id: string;
  readonly critical: boolean;
  readonly value: unknown;
}): Extension {
  return new Extension({
    extnID: options.id,
    critical: options.critical,
    extnValue: new OctetString(AsnConvert.serialize(options.value)),
  });
}

/** RFC 7093 2 method 1: the leftmost 160 bits of SHA-256 of the public key bits. */
export function keyIdentifier(publicKeyBits: Uint8Array): ArrayBuffer {
  return arrayBufferOf(createHash("sha256").update(publicKeyBits).digest().subarray(0, 20));
}

export function subjectKeyExtension(spki: SubjectPublicKeyInfo): Extension {
  return extension({
    id: id_ce_subjectKeyIdentifier,
    critical: false,
    value: new SubjectKeyIdentifier(keyIdentifier(new Uint8Array(spki.subjectPublicKey))),
  });
}

export function authorityKeyExtension(issuerSpki: SubjectPublicKeyInfo): Extension {
  const value = new AuthorityKeyIdentifier({
    keyIdentifier: new KeyIdentifier(keyIdentifier(new Uint8Array(issuerSpki.subjectPublicKey))),
  });
  return extension({ id: id_ce_authorityKeyIdentifier, critical: false, value });
}

/** What every CA certificate of ours carries. `pathLength` is how many CAs may follow (RFC 5280 4.2.1.9). */
export function caExtensions(pathLength: number): readonly Extension[] {
  const usage = new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign);
  const constraints = new BasicConstraints({ cA: true, pathLenConstraint: pathLength });
  return [
    extension({ id: id_ce_basicConstraints, critical: true, value: constraints }),
    extension({ id: id_ce_keyUsage, critical: true, value: usage }),
  ];
}

/** Whole seconds: X.509 times have no fractions. */
export function wholeSeconds(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / 1000) * 1000);
}

/** A copy that owns its memory; Node's small buffers share a pool. */
export function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/**
 * Read one certificate, PEM or DER.
 * @throws DrawbridgeError `CERTIFICATE_MALFORMED` (invalid_argument)
 */
export function parseCertificate(certificate: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(typeof certificate === "string" ? pemToDer(certificate) : Buffer.from(certificate));
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "CERTIFICATE_MALFORMED",
      message: "the certificate cannot be read",
      cause,
    });
  }
}
