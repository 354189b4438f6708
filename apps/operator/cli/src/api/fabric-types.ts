import { z } from "zod";
import { fabricSchema } from "./types.ts";

// One fabric with what other services know of it, as far as the CLI reads it. Unknown fields are ignored.

const instant = z.string();

const lockSchema = z.object({ reason: z.string(), message: z.string(), since: instant.nullish(), remedy: z.string() });

const recoverySchema = z.object({
  mode: z.string(),
  recentRecoveries: z.number(),
  lastRecoveryAt: instant.nullish(),
  allowedUntil: instant.nullish(),
  lastRefusal: z.string(),
  lastRefusalAt: instant.nullish(),
  joinSequence: z.number(),
});
export type Recovery = z.output<typeof recoverySchema>;

export const fabricDetailSchema = fabricSchema.extend({
  certificates: z.array(
    z.object({
      purpose: z.string(),
      serialNumber: z.string(),
      state: z.string(),
      notAfter: instant.nullish(),
      renewAt: instant.nullish(),
      lastFailure: z.string(),
    }),
  ),
  trustBundle: z.object({ state: z.string(), acknowledgedSequence: z.number(), currentSequence: z.number() }),
  clock: z.string(),
  lock: lockSchema.nullable(),
  collector: z
    .object({
      lastSeenAt: instant.nullish(),
      certificateSerial: z.string(),
      certificateNotAfter: instant.nullish(),
      version: z.string(),
      clockSkewMs: z.number(),
      certificatesSeen: z.number(),
    })
    .nullable(),
  recovery: recoverySchema.nullable(),
  unknown: z.array(z.object({ part: z.string(), service: z.string(), message: z.string() })),
});
export type FabricDetail = z.output<typeof fabricDetailSchema>;

export const fabricRecoverySchema = z.object({
  fabricId: z.string(),
  fabric: z.string(),
  agentId: z.string(),
  state: z.string(),
  lastSeenAt: instant.nullish(),
  certificateNotAfter: instant.nullish(),
  lock: lockSchema.nullable(),
  recovery: recoverySchema.nullable(),
});
export type FabricRecovery = z.output<typeof fabricRecoverySchema>;

export const recoveryTokenSchema = z.object({
  tokenId: z.string(),
  token: z.string(),
  fabricId: z.string(),
  fabric: z.string(),
  expiresAt: instant,
  revoked: z.array(z.string()),
});
