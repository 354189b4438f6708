import { z } from "zod";
import { nullableInstant } from "./common.ts";
import { lockSchema, recoverySchema, recoveryModes } from "./fabric.ts";

export const fabricRecoverySchema = z
  .object({
    fabricId: z.string(),
    fabric: z.string(),
    agentId: z.string().meta({ description: "Empty before its first connection: there is nothing to recover then." }),
    state: z.string().meta({ description: "State of the fabric." }),
    lastSeenAt: nullableInstant("Last sign of life."),
    certificateNotAfter: nullableInstant("End of the certificate on the tunnel."),
    lock: lockSchema.nullable(),
    recovery: recoverySchema.nullable().meta({
      description: "null before the first connection, and if the agent has no recovery key.",
    }),
  })
  .meta({ id: "FabricRecovery", description: "How a fabric that lost its identity comes back." });

export const allowRecoveryBody = z.strictObject({
  acceptAnyJoinState: z.boolean("must be true or false").default(false).meta({
    description:
      "Accept the next join state whatever its number, for a fabric that was restored from an older disk. You have made sure that only one copy of the agent runs.",
  }),
});

export const recoveryModeBody = z.strictObject({
  mode: z.enum(recoveryModes, "must be standard, relaxed or manual").meta({
    description:
      "standard: three automatic recoveries in 90 days, at most 30 days after expiry; relaxed: no limits, the join state is checked all the same; manual: an operator allows each one.",
  }),
});

export const recoveryTokenBody = z.strictObject({
  ttlSeconds: z
    .int("must be a whole number")
    .min(300, "must be at least 300")
    .max(86_400, "must be at most 86400")
    .default(1_800)
    .meta({ description: "Life of the token in seconds." }),
});

export const recoveryTokenSchema = z
  .object({
    tokenId: z.string(),
    token: z.string().meta({ description: "The activation token, shown once: hand it to the agent as a file." }),
    fabricId: z.string(),
    fabric: z.string(),
    expiresAt: z.iso.datetime(),
    revoked: z
      .array(z.string())
      .meta({ description: "Serial numbers of the old identity's certificates, revoked now." }),
  })
  .meta({ id: "RecoveryToken", description: "A token that activates the same fabric anew." });
