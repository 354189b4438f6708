import { z } from "zod";

// The certificate authority and certificates, as far as the CLI reads them. Unknown fields are ignored: the server may be newer.

const instant = z.string();

export const followerSchema = z.object({
  kind: z.string(),
  name: z.string(),
  missing: z.array(z.string()),
  lastSeenAt: instant.nullish(),
  live: z.boolean(),
});
export type Follower = z.output<typeof followerSchema>;

export const authoritySchema = z.object({
  phase: z.string(),
  phaseSince: instant.nullish(),
  nextPhaseAt: instant.nullish(),
  trustBundleSequence: z.number(),
  roots: z.number(),
  keys: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      state: z.string(),
      serialNumber: z.string(),
      notAfter: instant,
      liveCertificates: z.number(),
    }),
  ),
  issuingPrepareAt: instant.nullish(),
  issuingActivateAt: instant.nullish(),
  followers: z.array(followerSchema),
  waitingFor: z.number(),
  alerts: z.array(z.string()),
});
export type Authority = z.output<typeof authoritySchema>;

export const advancedSchema = z.object({ authority: authoritySchema, stranded: z.array(followerSchema) });

export const certificateSchema = z.object({
  serialNumber: z.string(),
  subject: z.string(),
  kind: z.string(),
  spiffeId: z.string(),
  fabric: z.string().nullish(),
  state: z.string(),
  issuedAt: instant.nullish(),
  activatedAt: instant.nullish(),
  notBefore: instant,
  notAfter: instant,
  renewAt: instant.nullish(),
  lastRenewalFailure: z.string(),
  revokedAt: instant.nullish(),
  revocationReason: z.string(),
  fingerprintSha256: z.string(),
  issuerId: z.string(),
});
export type Certificate = z.output<typeof certificateSchema>;

export const revokedSchema = z.object({ revoked: z.array(z.string()), certificate: certificateSchema.nullable() });
