import { z } from "zod";

/** meta.json beside a certificate: who it is for and where its owner dials. */
export const identityMetaSchema = z.object({
  schemaVersion: z.literal(1),
  /** N of gen-N. */
  generation: z.number().int().positive(),
  spiffeId: z.string(),
  serialNumber: z.string(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  fabricId: z.uuid(),
  fabricName: z.string(),
  agentId: z.uuid(),
  /** Id of the activation token that this came from. */
  tokenId: z.string(),
  endpoints: z.object({
    tunnel: z.array(z.string()).min(1),
    configResolver: z.string(),
    activation: z.array(z.string()),
  }),
});

export type IdentityMeta = z.output<typeof identityMetaSchema>;
