import { z } from "zod";
import { certificateStates } from "../../domain/certificate-state.ts";
import { subjectKinds } from "../../domain/certificate-subject.ts";
import { fabricRef, flag, instant, nullableInstant, pageSize, pageToken, plainText } from "./common.ts";

/** RFC 5280 4.1.2.2: at most 20 octets. Written in upper case or with colons elsewhere; ours is lower-case hex. */
export const serialNumber = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f]{2,40}$/, "must be the serial number in hex, 2 to 40 digits")
  .meta({ description: "Serial number, hex." });

export const fingerprint = z
  .string()
  .toLowerCase()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be "sha256:" and 64 hex digits')
  .meta({ description: 'SHA-256 of the certificate (DER): "sha256:<hex>".' });

export const certificateSchema = z
  .object({
    serialNumber: z.string(),
    subject: z.string().meta({ description: 'Whom it is for: "agent of edge-berlin".' }),
    kind: z.enum(subjectKinds),
    spiffeId: z.string(),
    fabricId: z.string().meta({ description: "Empty for services." }),
    fabric: z
      .string()
      .nullable()
      .meta({ description: "Name of the fabric; null for services, and if it is not known." }),
    state: z.enum(certificateStates),
    issuedAt: nullableInstant("When it was recorded."),
    activatedAt: nullableInstant("When it was used first; null if it never was."),
    notBefore: instant("Start of validity."),
    notAfter: instant("End of validity."),
    renewAt: nullableInstant(
      "When its holder means to renew it, as its agent or service reports; null if nobody said.",
    ),
    lastRenewalFailure: z.string().meta({ description: "Code of the last renewal that failed; empty if none did." }),
    revokedAt: nullableInstant("When it was revoked; null if it was not."),
    revocationReason: z.string(),
    fingerprintSha256: z.string().meta({ description: '"sha256:<hex>" of the DER; empty if it was not recorded.' }),
    publicKeySha256: z.string().meta({ description: "SHA-256 of the public key (SPKI), hex." }),
    issuerId: z.string().meta({ description: "Id of the issuing CA; `GET /v1/ca` lists them." }),
  })
  .meta({ id: "Certificate", description: "What the authority knows of a certificate." });

export const certificateQuery = z.strictObject({
  fabric: fabricRef.optional(),
  all: flag("Expired ones too."),
  limit: pageSize,
  pageToken,
});

export const revokeBody = z
  .strictObject({
    serialNumber: serialNumber.optional(),
    fingerprintSha256: fingerprint.optional(),
    reason: plainText(200).min(1, "must say why").meta({ description: "Why, for the record." }),
  })
  .refine((body) => (body.serialNumber === undefined) !== (body.fingerprintSha256 === undefined), {
    message: "give either serialNumber or fingerprintSha256",
    path: ["serialNumber"],
  });

export const revokedSchema = z
  .object({
    revoked: z
      .array(z.string())
      .meta({ description: "Serial numbers that this request revoked; none if it was done before." }),
    certificate: certificateSchema
      .nullable()
      .meta({ description: "The certificate now; null for one that is known by its fingerprint only." }),
  })
  .meta({ id: "RevokedCertificates", description: "What was revoked." });
