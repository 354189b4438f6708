import { DrawbridgeError } from "@drawbridge/errors";
import { AsnConvert } from "@peculiar/asn1-schema";
import {
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
} from "@peculiar/asn1-x509";
import {
  authorityKeyExtension,
  caExtensions,
  extension,
  generateSerialNumber,
  nameOf,
  parseSpki,
  signCertificate,
  subjectKeyExtension,
  wholeSeconds,
  type SigningCa,
} from "./certificate.ts";
import type { KeyPair } from "./key-pair.ts";
import { parseSpiffeId } from "./spiffe-id.ts";

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
const shortestDrillTtlSeconds = 5;
/** Start of validity lies this far back, for parties whose clocks are behind (design R2). */
const backdateSeconds = 300;

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
  return signCertificate({
    ...validity(options.now, options.ttlSeconds ?? rootTtlSeconds),
    serialNumber,
    issuer: name,
    subject: name,
    spki,
    extensions: [...caExtensions(1), subjectKeyExtension(spki)],
    signingKey: options.keyPair.privateKey,
  });
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

/** An issuing CA that may sign leaves only. DER. */
export function createIssuingCertificate(options: IssuingCertificateOptions): Promise<Uint8Array> {
  const spki = parseSpki(options.spkiDer);
  const root = AsnConvert.parse(options.root.certificateDer, Certificate).tbsCertificate;
  const serialNumber = generateSerialNumber();
  return signCertificate({
    ...validity(options.now, options.ttlSeconds ?? issuingTtlSeconds),
    serialNumber,
    issuer: root.subject,
    subject: nameOf({
      organisation: options.trustDomain,
      commonName: `Drawbridge issuing CA ${serialNumber.slice(0, 8)}`,
    }),
    spki,
    extensions: [...caExtensions(0), subjectKeyExtension(spki), authorityKeyExtension(root.subjectPublicKeyInfo)],
    signingKey: options.root.privateKey,
  });
}

export interface LeafRequest {
  /** The only thing taken from a CSR. */
  readonly spkiDer: Uint8Array;
  readonly spiffeId: string;
  readonly now: Date;
  /** Default 7 days. See `assertLeafTtl`. */
  readonly ttlSeconds?: number;
  /** Default a new one. */
  readonly serialNumber?: string;
}

export interface LeafCertificate {
  readonly serialNumber: string;
  readonly certificateDer: Uint8Array;
  readonly spiffeId: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface LeafIssuer {
  /**
   * Sign a leaf: cA=false, digitalSignature, client and server, exactly one URI SAN. It never outlives the issuing CA.
   * @throws DrawbridgeError `SPIFFE_ID_INVALID` (invalid_argument) | `ISSUING_CA_EXPIRED` (failed_precondition)
   */
  issue(request: LeafRequest): Promise<LeafCertificate>;
}

/** Everything that is the same for all leaves of one issuing CA is encoded once, here. */
export function createLeafIssuer(issuer: SigningCa): LeafIssuer {
  const ca = AsnConvert.parse(issuer.certificateDer, Certificate).tbsCertificate;
  const caNotAfter = ca.validity.notAfter.getTime();
  const common = [
    extension({ id: id_ce_basicConstraints, critical: true, value: new BasicConstraints({ cA: false }) }),
    extension({ id: id_ce_keyUsage, critical: true, value: new KeyUsage(KeyUsageFlags.digitalSignature) }),
    extension({
      id: id_ce_extKeyUsage,
      critical: false,
      value: new ExtendedKeyUsage([id_kp_clientAuth, id_kp_serverAuth]),
    }),
    authorityKeyExtension(ca.subjectPublicKeyInfo),
  ];
  return {
    issue: async (request) => {
      const identity = parseSpiffeId(request.spiffeId);
      if (request.now >= caNotAfter) throw issuingCaExpired(caNotAfter);
      const spki = parseSpki(request.spkiDer);
      const { notBefore, notAfter } = validity(request.now, request.ttlSeconds ?? leafTtl.defaultSeconds);
      const fields = {
        serialNumber: request.serialNumber ?? generateSerialNumber(),
        notBefore,
        notAfter: notAfter > caNotAfter ? caNotAfter : notAfter,
      };
      const san = new SubjectAlternativeName([new GeneralName({ uniformResourceIdentifier: request.spiffeId })]);
      const certificateDer = await signCertificate({
        ...fields,
        issuer: ca.subject,
        subject: nameOf({
          organisation: identity.trustDomain,
          commonName: identity.kind === "service" ? identity.service : identity.kind,
        }),
        spki,
        extensions: [
          ...common,
          subjectKeyExtension(spki),
          extension({ id: id_ce_subjectAltName, critical: false, value: san }),
        ],
        signingKey: issuer.privateKey,
      });
      return { ...fields, certificateDer, spiffeId: request.spiffeId };
    },
  };
}

/** One leaf; who signs many keeps a `createLeafIssuer`. */
export function createLeafCertificate(options: LeafRequest & { readonly issuer: SigningCa }): Promise<LeafCertificate> {
  return createLeafIssuer(options.issuer).issue(options);
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

/** Five minutes back, but never more than a twelfth of the life: a drill's ten seconds must not begin half spent. */
function validity(now: Date, ttlSeconds: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const backMs = Math.min(backdateSeconds, Math.floor(ttlSeconds / 12)) * 1000;
  return {
    notBefore: wholeSeconds(new Date(now.getTime() - backMs)),
    notAfter: wholeSeconds(new Date(now.getTime() + ttlSeconds * 1000)),
  };
}

function issuingCaExpired(notAfter: Date): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ISSUING_CA_EXPIRED",
    message: `the issuing CA expired at ${notAfter.toISOString()}`,
  });
}
