import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair as generate,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import { DrawbridgeError } from "@drawbridge/errors";

const generateAsync = promisify(generate);

/** An ECDSA P-256 key pair. The private key leaves it only through `privateKeyPem`. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spkiDer: Uint8Array;
  /** PKCS#8, PEM, not encrypted. */
  privateKeyPem(): string;
}

export async function generateKeyPair(): Promise<KeyPair> {
  const { privateKey, publicKey } = await generateAsync("ec", { namedCurve: "P-256" });
  return keyPairOf(privateKey, publicKey);
}

/** @throws DrawbridgeError `KEY_UNSUPPORTED` (invalid_argument): not a PEM private key, or not P-256. */
export function importPrivateKeyPem(pem: string): KeyPair {
  return importPrivateKey(() => createPrivateKey({ key: pem, format: "pem" }));
}

/** @throws DrawbridgeError `KEY_UNSUPPORTED` (invalid_argument): not a PKCS#8 private key, or not P-256. */
export function importPrivateKeyDer(pkcs8Der: Uint8Array): KeyPair {
  return importPrivateKey(() => createPrivateKey({ key: Buffer.from(pkcs8Der), format: "der", type: "pkcs8" }));
}

/** PKCS#8, DER, not encrypted: for storage under a key encryption key. */
export function privateKeyToDer(keyPair: KeyPair): Uint8Array {
  return keyPair.privateKey.export({ format: "der", type: "pkcs8" });
}

/** SHA-256 of a SubjectPublicKeyInfo, lower-case hex: how certificates are compared and recorded. */
export function spkiSha256(spkiDer: Uint8Array): string {
  return createHash("sha256").update(spkiDer).digest("hex");
}

/** SHA-256 of a SubjectPublicKeyInfo, base64url: how activation tokens pin a root (design R3). */
export function spkiPin(spkiDer: Uint8Array): string {
  return createHash("sha256").update(spkiDer).digest("base64url");
}

/** SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480 2), up to the point itself. */
const p256SpkiPrefix = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
/** 04, then both coordinates. */
export const p256PointBytes = 65;

/** The one DER encoding of a P-256 public key that we use. Whether the point is on the curve is OpenSSL's to check. */
export function p256SpkiOf(point: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([p256SpkiPrefix, point]));
}

/** @throws DrawbridgeError `KEY_UNSUPPORTED` (invalid_argument): not a P-256 key in that encoding */
export function p256PointOf(spkiDer: Uint8Array): Uint8Array {
  const point = spkiDer.subarray(p256SpkiPrefix.length);
  const isKnown = p256SpkiPrefix.equals(spkiDer.subarray(0, p256SpkiPrefix.length));
  if (isKnown && point.length === p256PointBytes && point[0] === 4) return point;
  throw unsupported("the public key is not an uncompressed ECDSA P-256 key");
}

export function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}

function importPrivateKey(read: () => KeyObject): KeyPair {
  let privateKey: KeyObject;
  try {
    privateKey = read();
  } catch {
    throw unsupported("the private key cannot be read"); // no cause: OpenSSL's text may quote what it was given
  }
  if (!isP256(privateKey)) throw unsupported("the private key is not an ECDSA P-256 key");
  return keyPairOf(privateKey, createPublicKey(privateKey));
}

function keyPairOf(privateKey: KeyObject, publicKey: KeyObject): KeyPair {
  return {
    privateKey,
    publicKey,
    spkiDer: publicKey.export({ format: "der", type: "spki" }),
    privateKeyPem: () => privateKey.export({ format: "pem", type: "pkcs8" }),
  };
}

function unsupported(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "KEY_UNSUPPORTED", message });
}
