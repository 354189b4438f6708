import { z } from "zod";
import { apiName, apiVersion } from "./api.ts";
import {
  environmentName,
  flag,
  instant,
  nameText,
  nullableInstant,
  pageSize,
  pageToken,
  plainText,
  uuid,
} from "./common.ts";

/** Name or id. */
export const clientRef = plainText(128).min(1, "must not be empty").meta({ description: "Client id, or name." });
export const tierName = nameText("Name of a tier.");

export const clientListQuery = z.strictObject({
  revoked: flag("Those that were revoked too."),
  limit: pageSize,
  pageToken,
});

export const newClientBody = z.strictObject({
  name: plainText(128).min(1, "must not be empty"),
  description: plainText(500).default(""),
});

export const rotateClientBody = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0, "must be at least 0")
    .max(90 * 86_400, "must be at most 7776000")
    .default(86_400)
    .meta({ description: "How long the secrets before stay valid." }),
});

export const clientSchema = z
  .object({
    clientId: z.string().meta({ description: "Public half of the credentials." }),
    name: z.string(),
    description: z.string(),
    secrets: z.array(
      z.object({ secretId: z.string(), createdAt: z.string(), notAfter: nullableInstant("Not valid from then on.") }),
    ),
    contracts: z.int().meta({ description: "Contracts in force." }),
    createdAt: instant("When it was made."),
    createdBy: z.string(),
    revokedAt: nullableInstant("Since when it is revoked; null if it is not."),
  })
  .meta({ id: "ClientApplication", description: "A client application, without its secrets." });

export const newSecretSchema = z
  .object({
    client: clientSchema,
    clientSecret: z.string().meta({ description: "Shown once." }),
  })
  .meta({ id: "NewClientSecret", description: "A client application with a new secret." });

export const revokedClientSchema = z.object({ client: clientSchema, revokedContracts: z.int() });

export const tierBody = z.strictObject({
  description: plainText(500).default(""),
  limits: z
    .array(
      z.strictObject({
        requests: z.int().min(1, "must be at least 1").max(1_000_000_000),
        periodMs: z.int().min(1_000, "must be at least 1000").max(31_622_400_000),
      }),
    )
    .min(1, "must be at least one")
    .max(8, "must be at most 8"),
  autoApprove: z.boolean().optional().meta({ description: "Without it as the API says." }),
});

export const tierSchema = z
  .object({
    tierId: z.string(),
    name: z.string(),
    description: z.string(),
    limits: z.array(z.object({ requests: z.int(), periodMs: z.int() })),
    autoApprove: z.boolean().nullable().meta({ description: "null: as the API says." }),
    contracts: z.int().meta({ description: "Contracts in force." }),
  })
  .meta({ id: "Tier", description: "An SLA tier of an API." });

export const deletedTierSchema = z.object({ tierId: z.string() });

export const contractStates = ["requested", "approved", "rejected", "revoked"] as const;

export const contractListQuery = z
  .strictObject({
    environment: environmentName.optional(),
    api: apiName.optional(),
    version: apiVersion.optional(),
    client: clientRef.optional(),
    state: z.enum(contractStates).optional(),
    limit: pageSize,
    pageToken,
  })
  .refine((query) => query.api === undefined || (query.version !== undefined && query.environment !== undefined), {
    message: "needs version and environment beside it",
    path: ["api"],
  });

export const newContractBody = z.strictObject({ client: clientRef, tier: tierName.or(z.literal("")).default("") });
export const approveBody = z.strictObject({ tier: tierName.or(z.literal("")).default("") });
export const reasonBody = z.strictObject({ reason: plainText(200).default("") });
export const contractTierBody = z.strictObject({ tier: tierName.or(z.literal("")) });

export const contractSchema = z
  .object({
    contractId: uuid("Id."),
    environment: z.string(),
    api: z.string(),
    version: z.string(),
    clientId: z.string(),
    clientName: z.string(),
    tier: z.string(),
    state: z.enum(contractStates),
    requestedAt: instant("When it was requested."),
    requestedBy: z.string(),
    decidedAt: nullableInstant("Last decision."),
    decidedBy: z.string(),
    reason: z.string(),
  })
  .meta({ id: "Contract", description: "What a client application may call." });
