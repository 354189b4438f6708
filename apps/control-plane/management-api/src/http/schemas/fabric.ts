import { z } from "zod";
import { environmentName, instant, nameText, nullableInstant, plainText, uuid } from "./common.ts";

export const fabricStates = ["pending", "connected", "unreachable", "disconnected"] as const;

const clusterSchema = z
  .object({
    driver: z.string(),
    agentVersion: z.string(),
    clusterVersion: z.string(),
    kubernetesVersion: z.string(),
    containerRuntimeVersion: z.string(),
    nodes: z.int(),
    cpuMillicores: z.int(),
    memoryBytes: z.int(),
    logsAllowed: z.boolean().meta({ description: "Whether the fabric's owner lets operators read app logs." }),
  })
  .meta({ id: "Cluster", description: "What the agent tells of its cluster." });

export const fabricSchema = z
  .object({
    fabricId: uuid("Id."),
    name: z.string(),
    region: z.string(),
    environments: z.array(z.string()),
    state: z.enum(fabricStates),
    cluster: clusterSchema.nullable(),
    alerts: z.array(z.object({ reason: z.string(), message: z.string(), since: nullableInstant("Since when.") })),
    agentId: z.string().meta({ description: "Empty before activation." }),
    desiredGeneration: z.int(),
    observedGeneration: z.int(),
    lastSeenAt: nullableInstant("Last sign of life."),
    clockSkewMs: z.int().meta({ description: "The agent's clock minus ours." }),
    certificateSerial: z.string(),
    certificateNotAfter: nullableInstant("End of the certificate on the tunnel."),
    tunnelReplica: z.string(),
    appCount: z.int(),
    createdAt: nullableInstant("When it was created."),
  })
  .meta({ id: "Fabric", description: "A fabric." });

export const deletedFabricSchema = z.object({ fabricId: uuid("Id.") }).meta({ id: "DeletedFabric" });

/** What a fabric runs that is made without a word about it. */
export const defaultEnvironment = "production";

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
  })
  .meta({ id: "FabricToken", description: "An activation token without its secret." });
