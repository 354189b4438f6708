import { createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { DrawbridgeError } from "@drawbridge/errors";
import { Attributes, CertificationRequest, CertificationRequestInfo } from "@peculiar/asn1-csr";
import { AsnConvert } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier, Name } from "@peculiar/asn1-x509";
import { arrayBufferOf, ecdsaWithSha256, parseSpki } from "./certificate.ts";
import { spkiSha256, type KeyPair } from "./key-pair.ts";

const signAsync = promisify(sign);

/** A CSR of ours is about 190 bytes; 8 KiB leaves room for any honest encoding. */
export const maxCsrBytes = 8 * 1024;
/** Far above what a CSR without attributes needs (about 15 nodes, depth 5). */
const parseLimits = { maxDepth: 16, maxNodes: 256, maxContentLength: maxCsrBytes };

const idEcPublicKey = "1.2.840.10045.2.1";
/** OBJECT IDENTIFIER prime256v1, DER. */
const namedCurveP256 = Buffer.from("06082a8648ce3d030107", "hex");
/** SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480 2), up to the point's 65 octets. */
const p256SpkiPrefix = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const p256PointBytes = 65;

/** All that is taken from a CSR. */
export interface ParsedCsr {
  readonly spkiDer: Uint8Array;
  /** Lower-case hex. */
  readonly spkiSha256: string;
}

/** A PKCS#10 request (RFC 2986) that proves possession of the key and asks for nothing: no subject, no attributes. DER. */
export async function createCsr(keyPair: KeyPair): Promise<Uint8Array> {
  const info = bareInfo(keyPair.spkiDer);
  const signature = await signAsync("sha256", Buffer.from(AsnConvert.serialize(info)), keyPair.privateKey);
  return new Uint8Array(encode(info, arrayBufferOf(signature)));
}

/**
 * Take the public key out of a CSR. The authority decides names itself, so a request that asks for any is refused
 * rather than ignored (design R1).
 * @throws DrawbridgeError (invalid_argument) `CSR_MALFORMED`: not PKCS#10, above 8 KiB, or bytes left over |
 * `CSR_NAMES_REFUSED`: has a subject or attributes | `CSR_KEY_UNSUPPORTED`: not an uncompressed P-256 key with
 * ecdsa-with-SHA256 | `CSR_SIGNATURE_INVALID`: the sender does not hold the private key
 */
export async function parseCsr(der: Uint8Array): Promise<ParsedCsr> {
  const request = decode(der);
  const info = request.certificationRequestInfo;
  if (info.subject.length > 0 || info.attributes.length > 0) {
    throw refused(
      "CSR_NAMES_REFUSED",
      "the CSR must not ask for a subject, names or extensions; the authority decides them",
    );
  }
  if (request.signatureAlgorithm.algorithm !== ecdsaWithSha256) {
    throw refused("CSR_KEY_UNSUPPORTED", "the CSR must be signed with ecdsa-with-SHA256");
  }
  const spkiDer = p256Spki(info);
  const publicKey = importSpki(spkiDer);
  // The decoder bears BER and odd tags; there is one DER encoding of a request that asks for nothing, and only it passes.
  const bare = bareInfo(spkiDer);
  if (!Buffer.from(encode(bare, request.signature)).equals(der)) throw malformed();
  if (!verify("sha256", Buffer.from(AsnConvert.serialize(bare)), publicKey, Buffer.from(request.signature))) {
    throw refused("CSR_SIGNATURE_INVALID", "the CSR is not signed by its own key");
  }
  return Promise.resolve({ spkiDer: new Uint8Array(spkiDer), spkiSha256: spkiSha256(spkiDer) });
}

function decode(der: Uint8Array): CertificationRequest {
  if (der.length === 0 || der.length > maxCsrBytes) throw malformed();
  try {
    return AsnConvert.parse(der, CertificationRequest, { berOptions: parseLimits });
  } catch (cause) {
    throw malformed(cause);
  }
}

function bareInfo(spkiDer: Uint8Array): CertificationRequestInfo {
  return new CertificationRequestInfo({
    subject: new Name(),
    subjectPKInfo: parseSpki(spkiDer),
    attributes: new Attributes(),
  });
}

function encode(certificationRequestInfo: CertificationRequestInfo, signature: ArrayBuffer): ArrayBuffer {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  return AsnConvert.serialize(new CertificationRequest({ certificationRequestInfo, signatureAlgorithm, signature }));
}

function p256Spki(info: CertificationRequestInfo): Buffer {
  const { algorithm, subjectPublicKey } = info.subjectPKInfo;
  const point = Buffer.from(subjectPublicKey);
  if (algorithm.algorithm !== idEcPublicKey || point.length !== p256PointBytes || point[0] !== 4)
    throw keyUnsupported();
  if (!algorithm.parameters || !namedCurveP256.equals(Buffer.from(algorithm.parameters))) throw keyUnsupported();
  return Buffer.concat([p256SpkiPrefix, point]);
}

function importSpki(spkiDer: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spkiDer, format: "der", type: "spki" }); // OpenSSL refuses a point off the curve
  } catch (cause) {
    throw keyUnsupported(cause);
  }
}

function keyUnsupported(cause?: unknown): DrawbridgeError {
  return refused("CSR_KEY_UNSUPPORTED", "the CSR's key must be an uncompressed ECDSA P-256 public key", cause);
}

function malformed(cause?: unknown): DrawbridgeError {
  return refused("CSR_MALFORMED", `the CSR is not a DER PKCS#10 request of at most ${maxCsrBytes} bytes`, cause);
}

function refused(code: string, message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code, message, cause });
}
