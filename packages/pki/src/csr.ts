import { createPublicKey, randomBytes, sign, verify, type KeyObject } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { Attributes, CertificationRequest, CertificationRequestInfo } from "@peculiar/asn1-csr";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Name } from "@peculiar/asn1-x509";
import { parseSpki } from "./certificate.ts";
import { createDerTemplate } from "./der-template.ts";
import { p256PointBytes, p256PointOf, p256SpkiOf, spkiSha256, type KeyPair } from "./key-pair.ts";
import { createSignedEncoder, ecdsaWithSha256 } from "./signed-der.ts";

/** A CSR of ours is about 190 bytes; 8 KiB leaves room for any honest encoding. */
export const maxCsrBytes = 8 * 1024;
/** Far above what a CSR without attributes needs (about 15 nodes, depth 5). */
const parseLimits = { maxDepth: 16, maxNodes: 256, maxContentLength: maxCsrBytes };

/** Two integers of up to 33 octets in a SEQUENCE. A shorter one than this happens once in 2^64 signatures. */
const signatureBytes = { shortest: 64, longest: 72 };

/** All that is taken from a CSR. */
export interface ParsedCsr {
  readonly spkiDer: Uint8Array;
  /** Lower-case hex. */
  readonly spkiSha256: string;
}

/** A PKCS#10 request (RFC 2986) that proves possession of the key and asks for nothing: no subject, no attributes. DER. */
export function createCsr(keyPair: KeyPair): Promise<Uint8Array> {
  const info = encodeBareInfo(p256PointOf(keyPair.spkiDer));
  return Promise.resolve(encodeSigned({ content: info, signature: sign("sha256", info, keyPair.privateKey) }));
}

/**
 * Take the public key out of a CSR. The authority decides names itself, so a request that asks for any is refused
 * rather than ignored (design R1). For a given key and signature there is one DER encoding of a request that asks for
 * nothing. Whatever is not exactly that is refused, and only then decoded, to say why.
 * @throws DrawbridgeError (invalid_argument) `CSR_MALFORMED`: not DER PKCS#10, above 8 KiB, or bytes left over |
 * `CSR_NAMES_REFUSED`: has a subject or attributes | `CSR_KEY_UNSUPPORTED`: not an uncompressed P-256 key with
 * ecdsa-with-SHA256 | `CSR_SIGNATURE_INVALID`: the sender does not hold the private key
 */
export async function parseCsr(der: Uint8Array): Promise<ParsedCsr> {
  const { point, info, signature } = splitBare(der) ?? explain(der);
  const spkiDer = p256SpkiOf(point);
  if (!verify("sha256", info, importSpki(spkiDer), signature)) {
    throw refused("CSR_SIGNATURE_INVALID", "the CSR is not signed by its own key");
  }
  return { spkiDer, spkiSha256: spkiSha256(spkiDer) };
}

interface BareCsr {
  readonly point: Uint8Array;
  /** What is signed. */
  readonly info: Uint8Array;
  readonly signature: Uint8Array;
}

/** The CSR that asks for nothing, cut at its fixed places; undefined if the bytes are not exactly such a CSR. */
function splitBare(der: Uint8Array): BareCsr | undefined {
  const { pointOffset, signatureOffset } = layout;
  const signature = der.subarray(signatureOffset);
  if (signature.length < signatureBytes.shortest || signature.length > signatureBytes.longest) return undefined;
  const point = der.subarray(pointOffset, pointOffset + p256PointBytes);
  const info = encodeBareInfo(point);
  return Buffer.from(encodeSigned({ content: info, signature })).equals(der) ? { point, info, signature } : undefined;
}

const encodeSigned = createSignedEncoder();
const encodeBareInfo = createDerTemplate<Uint8Array>({
  encode: (point) => {
    const info = new CertificationRequestInfo({
      subject: new Name(),
      subjectPKInfo: parseSpki(p256SpkiOf(point)),
      attributes: new Attributes(),
    });
    return new Uint8Array(AsnConvert.serialize(info));
  },
  slots: (point) => [point],
  samples: [randomBytes(p256PointBytes), randomBytes(p256PointBytes)],
});

/** Where point and signature are; the same for every length that a P-256 signature has (68 to 72 bytes). */
const layout = ((): { readonly pointOffset: number; readonly signatureOffset: number } => {
  const point = randomBytes(p256PointBytes);
  const signature = randomBytes(70);
  const sample = Buffer.from(encodeSigned({ content: encodeBareInfo(point), signature }));
  return { pointOffset: sample.indexOf(point), signatureOffset: sample.indexOf(signature) };
})();

/** Why a CSR is not one that asks for nothing. */
function explain(der: Uint8Array): never {
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
  try {
    p256PointOf(new Uint8Array(AsnConvert.serialize(info.subjectPKInfo)));
  } catch (cause) {
    throw keyUnsupported(cause);
  }
  throw malformed();
}

function decode(der: Uint8Array): CertificationRequest {
  if (der.length === 0 || der.length > maxCsrBytes) throw malformed();
  try {
    return AsnConvert.parse(der, CertificationRequest, { berOptions: parseLimits });
  } catch (cause) {
    throw malformed(cause);
  }
}

function importSpki(spkiDer: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spkiDer), format: "der", type: "spki" }); // refuses a point off the curve
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
