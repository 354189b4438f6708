import { network } from "@drawbridge/config";
import { z } from "zod";
import { environmentName, instant, nameText, nullableInstant, plainText, uuid } from "./common.ts";

/** What a fabric runs that is made without a word about it. */
export const defaultEnvironment = "production";

const keySha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex digits");

export const newFabricTokenBody = z.strictObject({
  fabric: nameText("Name of the fabric; it is created if there is none of that name."),
  region: plainText(100).default(""),
  environments: z
    .array(environmentName)
    .max(100, "must name at most 100 environments")
    .default([])
    .meta({
      description: `Environments to add to the fabric. None leaves a fabric as it is; a new one then runs "${defaultEnvironment}".`,
    }),
  ttlSeconds: z
    .int("must be a whole number")
    .min(300, "must be at least 300")
    .max(86_400, "must be at most 86400")
    .default(1_800)
    .meta({ description: "Life in seconds." }),
  allowedNetworks: z.array(network()).max(32, "must name at most 32 networks").default([]).meta({
    description:
      'Networks from which it may be redeemed: "10.0.0.0/8", "2001:db8::/32", or an address. None: from anywhere.',
  }),
  requiresApproval: z
    .boolean()
    .default(false)
    .meta({ description: "The agent waits until somebody else than the caller has approved its key." }),
  keySha256: keySha256.or(z.literal("")).default("").meta({
    description: "The only key that may redeem it: what `drawbridge-agent key` prints. Empty: any.",
  }),
});

export const approveFabricTokenBody = z.strictObject({
  keySha256: keySha256.meta({ description: "Key of the agent, from `applicants`; the agent shows the same." }),
});

export const newFabricTokenSchema = z
  .object({
    tokenId: uuid("Id; safe to show and log."),
    token: z.string().meta({ description: "The activation token, shown once: hand it to the agent as a file." }),
    fabricId: uuid("The fabric that it activates."),
    fabric: z.string(),
    created: z.boolean().meta({ description: "Whether the fabric was made with it." }),
    environments: z.array(z.string()).meta({ description: "What the fabric runs now." }),
    expiresAt: instant("Valid up to but not including this instant."),
  })
  .meta({ id: "NewFabricToken", description: "A new activation token." });

export const fabricTokenStates = ["unused", "redeemed", "revoked", "expired"] as const;

export const fabricTokenSchema = z
  .object({
    tokenId: uuid("Id."),
    fabricId: uuid("The fabric that it activates."),
    fabric: z.string(),
    state: z.enum(fabricTokenStates),
    createdAt: instant("When it was made."),
    expiresAt: instant("End of its life."),
    createdBy: z.string(),
    redeemedAt: nullableInstant("When it was redeemed; null if it was not."),
    agentId: z.string(),
    refusedUses: z.int().meta({ description: "Uses refused after the first." }),
    allowedNetworks: z.array(z.string()).meta({ description: "From which it may be redeemed; none: from anywhere." }),
    keySha256: z.string().meta({ description: "The only key that may redeem it; empty: any." }),
    requiresApproval: z.boolean(),
    approvedBy: z.string().meta({ description: "Who approved; empty if nobody did." }),
    approvedAt: nullableInstant("When; null if nobody did."),
    approvedKeySha256: z.string().meta({ description: "The key that was approved; empty if none was." }),
    applicants: z
      .array(
        z.object({
          keySha256: z.string().meta({ description: "SHA-256 of the agent's tunnel key (SPKI), hex." }),
          address: z.string().meta({ description: "Where it called from, last." }),
          agentVersion: z.string(),
          firstAskedAt: instant("Its first call."),
          lastAskedAt: instant("Its last call."),
        }),
      )
      .meta({ description: "Agents that asked with it while it was not approved." }),
  })
  .meta({ id: "FabricToken", description: "An activation token without its secret." });
