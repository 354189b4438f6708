import { randomBytes, sign } from "node:crypto";
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
  type Extension,
  type TBSCertificate,
} from "@peculiar/asn1-x509";
import {
  authorityKeyExtension,
  encodeTbs,
  extension,
  generateSerialNumber,
  keyIdentifier,
  nameOf,
  parseSpki,
  subjectKeyExtension,
  type SigningCa,
} from "./certificate.ts";
import { leafTtl } from "./certificate-profile.ts";
import { createDerTemplate } from "./der-template.ts";
import { p256PointOf, p256SpkiOf } from "./key-pair.ts";
import { createSignedEncoder } from "./signed-der.ts";
import { parseSpiffeId, type SpiffeIdentity } from "./spiffe-id.ts";
import { validity } from "./validity.ts";

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

/** What differs from one leaf of an issuing CA to the next. */
interface LeafFields {
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The P-256 point of the public key. */
  readonly point: Uint8Array;
  readonly spiffeId: string;
}

/** Shapes of leaves (kind and length of the name) whose templates are kept; there are about ten. */
const maxTemplates = 64;
/** RFC 5280 4.1.2.5: dates from 2050 on are encoded in another, longer form. */
const lastUtcTimeYear = 2049;

/** Everything that is the same for all leaves of one issuing CA is encoded once. */
export function createLeafIssuer(issuer: SigningCa): LeafIssuer {
  const ca = AsnConvert.parse(issuer.certificateDer, Certificate).tbsCertificate;
  const caNotAfter = ca.validity.notAfter.getTime();
  const common = commonExtensions(ca);
  const encodeSigned = createSignedEncoder();
  const templates = new Map<string, (fields: LeafFields) => Uint8Array>();

  function encodeWithLibrary(identity: SpiffeIdentity, fields: LeafFields): Uint8Array {
    const spki = parseSpki(p256SpkiOf(fields.point));
    const san = new SubjectAlternativeName([new GeneralName({ uniformResourceIdentifier: fields.spiffeId })]);
    return encodeTbs({
      ...fields,
      issuer: ca.subject,
      subject: nameOf({ organisation: identity.trustDomain, commonName: commonNameOf(identity) }),
      spki,
      extensions: [
        ...common,
        subjectKeyExtension(spki),
        extension({ id: id_ce_subjectAltName, critical: false, value: san }),
      ],
    });
  }

  function encode(identity: SpiffeIdentity, fields: LeafFields): Uint8Array {
    if (fields.notAfter.getUTCFullYear() > lastUtcTimeYear) return encodeWithLibrary(identity, fields);
    const shape = `${identity.trustDomain} ${commonNameOf(identity)} ${fields.spiffeId.length}`;
    let template = templates.get(shape);
    if (!template) {
      template = createDerTemplate<LeafFields>({
        encode: (sample) => encodeWithLibrary(identity, sample),
        slots: slotsOf,
        samples: [sampleOf(fields, "a"), sampleOf(fields, "b")],
      });
      if (templates.size >= maxTemplates) templates.clear();
      templates.set(shape, template);
    }
    return template(fields);
  }

  function issue(request: LeafRequest): LeafCertificate {
    const identity = parseSpiffeId(request.spiffeId);
    if (request.now >= caNotAfter) throw issuingCaExpired(caNotAfter);
    const { notBefore, notAfter } = validity(request.now, request.ttlSeconds ?? leafTtl.defaultSeconds);
    const fields = {
      serialNumber: request.serialNumber ?? generateSerialNumber(),
      notBefore,
      notAfter: notAfter > caNotAfter ? caNotAfter : notAfter,
    };
    const { spiffeId, spkiDer } = request;
    const tbs = encode(identity, { ...fields, spiffeId, point: p256PointOf(spkiDer) });
    const signature = sign("sha256", tbs, issuer.privateKey); // on this thread: it takes less than the way to another
    return { ...fields, spiffeId, certificateDer: encodeSigned({ content: tbs, signature }) };
  }

  return { issue: async (request) => issue(request) };
}

/** One leaf; who signs many keeps a `createLeafIssuer`. */
export function createLeafCertificate(options: LeafRequest & { readonly issuer: SigningCa }): Promise<LeafCertificate> {
  return createLeafIssuer(options.issuer).issue(options);
}

function commonNameOf(identity: SpiffeIdentity): string {
  return identity.kind === "service" ? identity.service : identity.kind;
}

function commonExtensions(ca: TBSCertificate): readonly Extension[] {
  const purposes = new ExtendedKeyUsage([id_kp_clientAuth, id_kp_serverAuth]);
  const usage = new KeyUsage(KeyUsageFlags.digitalSignature);
  return [
    extension({ id: id_ce_basicConstraints, critical: true, value: new BasicConstraints({ cA: false }) }),
    extension({ id: id_ce_keyUsage, critical: true, value: usage }),
    extension({ id: id_ce_extKeyUsage, critical: false, value: purposes }),
    authorityKeyExtension(ca.subjectPublicKeyInfo),
  ];
}

/** In the order of nothing in particular: a template finds each by its bytes. */
function slotsOf(fields: LeafFields): readonly Uint8Array[] {
  return [
    Buffer.from(fields.serialNumber, "hex"),
    Buffer.from(utcTime(fields.notBefore)),
    Buffer.from(utcTime(fields.notAfter)),
    fields.point,
    new Uint8Array(keyIdentifier(fields.point)),
    Buffer.from(fields.spiffeId),
  ];
}

function sampleOf(fields: LeafFields, letter: "a" | "b"): LeafFields {
  const year = letter === "a" ? 2001 : 2011;
  return {
    serialNumber: generateSerialNumber(),
    notBefore: new Date(Date.UTC(year, 2, 3, 4, 5, 6)),
    notAfter: new Date(Date.UTC(year + 7, 8, 9, 10, 11, 12)),
    point: randomBytes(fields.point.length),
    spiffeId: letter.repeat(fields.spiffeId.length),
  };
}

/** YYMMDDHHMMSSZ: how X.509 writes dates before 2050 (RFC 5280 4.1.2.5.1). */
function utcTime(instant: Date): string {
  return `${instant.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`;
}

function issuingCaExpired(notAfter: Date): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ISSUING_CA_EXPIRED",
    message: `the issuing CA expired at ${notAfter.toISOString()}`,
  });
}
