import { DrawbridgeError } from "@drawbridge/errors";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate } from "@peculiar/asn1-x509";
import {
  authorityKeyExtension,
  caExtensions,
  encodeTbs,
  generateSerialNumber,
  nameOf,
  parseSpki,
  signTbs,
  subjectKeyExtension,
  type SigningCa,
} from "./certificate.ts";
import type { KeyPair } from "./key-pair.ts";
import { validity } from "./validity.ts";

const daySeconds = 86_400;
/** Root: 10 years (design R2). */
export const rootTtlSeconds = 3650 * daySeconds;
/** Issuing CA: 180 days (design R2). */
export const issuingTtlSeconds = 180 * daySeconds;
/** Leaf: 7 days; 1 hour to 30 days are allowed (design R2). */
export const leafTtl = {
  defaultSeconds: 7 * daySeconds,
  minimumSeconds: 3600,
  maximumSeconds: 30 * daySeconds,
} as const;
/** Drills may go down to this. */
const shortestDrillTtlSeconds = 1;

export interface RootCertificateOptions {
  readonly keyPair: KeyPair;
  readonly trustDomain: string;
  readonly now: Date;
  /** Default 10 years. */
  readonly ttlSeconds?: number;
}

/** A self-signed root that may sign CAs which sign leaves, and nothing deeper. DER. */
export function createRootCertificate(options: RootCertificateOptions): Promise<Uint8Array> {
  const spki = parseSpki(options.keyPair.spkiDer);
  const serialNumber = generateSerialNumber();
  const name = nameOf({
    organisation: options.trustDomain,
    commonName: `Drawbridge root CA ${serialNumber.slice(0, 8)}`,
  });
  const tbs = encodeTbs({
    ...validity(options.now, options.ttlSeconds ?? rootTtlSeconds),
    serialNumber,
    issuer: name,
    subject: name,
    spki,
    extensions: [...caExtensions(1), subjectKeyExtension(spki)],
  });
  return Promise.resolve(signTbs(tbs, options.keyPair.privateKey));
}

export interface IssuingCertificateOptions {
  /** The public key of the new issuing CA. */
  readonly spkiDer: Uint8Array;
  readonly root: SigningCa;
  readonly trustDomain: string;
  readonly now: Date;
  /** Default 180 days. */
  readonly ttlSeconds?: number;
}

/** An issuing CA that may sign leaves only; it never outlives its root. DER. */
export function createIssuingCertificate(options: IssuingCertificateOptions): Promise<Uint8Array> {
  const spki = parseSpki(options.spkiDer);
  const root = AsnConvert.parse(options.root.certificateDer, Certificate).tbsCertificate;
  const serialNumber = generateSerialNumber();
  const { notBefore, notAfter } = validity(options.now, options.ttlSeconds ?? issuingTtlSeconds);
  const rootNotAfter = root.validity.notAfter.getTime();
  const tbs = encodeTbs({
    notBefore,
    notAfter: notAfter > rootNotAfter ? rootNotAfter : notAfter,
    serialNumber,
    issuer: root.subject,
    subject: nameOf({
      organisation: options.trustDomain,
      commonName: `Drawbridge issuing CA ${serialNumber.slice(0, 8)}`,
    }),
    spki,
    extensions: [...caExtensions(0), subjectKeyExtension(spki), authorityKeyExtension(root.subjectPublicKeyInfo)],
  });
  return Promise.resolve(signTbs(tbs, options.root.privateKey));
}

/**
 * Refuse a leaf life that design R2 forbids: outside 1 h to 30 d, or above a sixth of the issuing CA's life (so that an
 * issuing CA can be rolled over while its leaves are renewed in the normal course). `drill` allows seconds.
 * @throws DrawbridgeError `LEAF_TTL_REFUSED` (invalid_argument)
 */
export function assertLeafTtl(options: {
  readonly ttlSeconds: number;
  readonly issuingTtlSeconds: number;
  readonly mode: "production" | "drill";
}): void {
  const { ttlSeconds } = options;
  const minimum = options.mode === "drill" ? shortestDrillTtlSeconds : leafTtl.minimumSeconds;
  const maximum = Math.min(leafTtl.maximumSeconds, Math.floor(options.issuingTtlSeconds / 6));
  if (Number.isInteger(ttlSeconds) && ttlSeconds >= minimum && ttlSeconds <= maximum) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "LEAF_TTL_REFUSED",
    message: `the life of a leaf certificate is ${ttlSeconds} s; it must be a whole number of seconds from ${minimum} to ${maximum} (at most a sixth of the issuing CA's life)`,
    details: { ttlSeconds: String(ttlSeconds), minimum: String(minimum), maximum: String(maximum) },
  });
}
