import { z } from "zod";
import { certificateStates } from "../../domain/certificate-state.ts";
import { clockStates, trustBundleStates } from "../../domain/fabric-verdicts.ts";
import { nullableInstant, uuid } from "./common.ts";

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

export const lockSchema = z
  .object({
    reason: z.string().meta({ description: '"DUPLICATE_AGENT" or "STALE_JOIN_STATE".' }),
    message: z.string(),
    since: nullableInstant("Since when."),
    remedy: z.string().meta({ description: "What to do." }),
  })
  .meta({ id: "AgentLock", description: "Why the agent is refused until an operator decides. Its apps go on." });

export const recoveryModes = ["standard", "relaxed", "manual"] as const;

export const recoverySchema = z
  .object({
    mode: z.enum(recoveryModes),
    recentRecoveries: z.int().meta({ description: "In the last 90 days." }),
    lastRecoveryAt: nullableInstant("The last one; null if there was none."),
    allowedUntil: nullableInstant("Until when one more is allowed outside the limits; null if none is."),
    lastRefusal: z.string().meta({ description: "Code of the last refusal; empty if there was none." }),
    lastRefusalAt: nullableInstant("When it was."),
    joinSequence: z.int().meta({ description: "Number of the join state: one more with each recovery." }),
  })
  .meta({ id: "Recovery", description: "How an agent's recovery stands." });

export const certificatePurposes = ["tunnel", "monitoring"] as const;

const heldCertificateShape = {
  purpose: z.enum(certificatePurposes),
  serialNumber: z.string(),
  notAfter: nullableInstant("End of validity."),
  renewAt: nullableInstant("When the agent means to renew it; null if it did not say."),
  lastFailure: z.string().meta({ description: "Code of the last renewal that failed; empty if it worked." }),
};

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
    certificates: z.array(z.object(heldCertificateShape)).meta({ description: "Those that the agent says it holds." }),
    trustBundleSequence: z
      .int()
      .meta({ description: "Trust bundle that the agent acknowledged; 0 before its first tunnel." }),
    clock: z.enum(clockStates).meta({ description: "What the skew means under clockLimits." }),
    clockLimits: z
      .object({ warnSeconds: z.int(), failSeconds: z.int() })
      .meta({ description: "Alert above warnSeconds; the agent reports ClockSynced=False above failSeconds." }),
    lock: lockSchema.nullable(),
  })
  .meta({ id: "Fabric", description: "A fabric." });

const collectorSchema = z
  .object({
    lastSeenAt: nullableInstant("Last sign of life."),
    certificateSerial: z.string(),
    certificateNotAfter: nullableInstant("End of the certificate on its last connection."),
    version: z.string(),
    clockSkewMs: z.int().meta({ description: "Its clock minus ours." }),
    certificatesSeen: z.int().meta({ description: "With how many certificates it came so far." }),
  })
  .meta({ id: "Collector", description: "The fabric's monitoring collector, as monitoring-ingest sees it." });

const unknownPartSchema = z
  .object({
    part: z.enum(["certificates", "trustBundle", "collector", "recovery"]),
    service: z.string().meta({ description: "Who would know." }),
    code: z.string(),
    message: z.string(),
  })
  .meta({ id: "UnknownPart", description: "A part of the answer that could not be had." });
export type UnknownPart = z.output<typeof unknownPartSchema>;

/** One fabric, with what other services know of it. */
export const fabricDetailSchema = fabricSchema
  .extend({
    certificates: z
      .array(
        z.object({
          ...heldCertificateShape,
          state: z.enum([...certificateStates, "unknown"]).meta({
            description: "By the authority's record; unknown if it has none, or cannot be asked.",
          }),
        }),
      )
      .meta({ description: "Those that the agent says it holds; else the newest that were issued to it." }),
    trustBundle: z.object({
      state: z.enum(trustBundleStates),
      acknowledgedSequence: z.int(),
      currentSequence: z.int(),
    }),
    collector: collectorSchema.nullable().meta({ description: "null if none was ever seen, or it is not known." }),
    recovery: recoverySchema
      .nullable()
      .meta({ description: "null before the first connection, or if it is not known." }),
    unknown: z
      .array(unknownPartSchema)
      .meta({ description: "Parts that could not be had; everything else is as it is." }),
  })
  .meta({ id: "FabricDetail", description: "A fabric with its certificates, its collector and its recovery." });

export const deletedFabricSchema = z.object({ fabricId: uuid("Id.") }).meta({ id: "DeletedFabric" });

const clockSeconds = (description: string) => z.int().min(1).max(86_400).nullable().optional().meta({ description });

export const fabricChangeSchema = z
  .strictObject({
    clockSkewWarnSeconds: clockSeconds(
      "Alert above this skew of the fabric's clock; null: what the service is set to.",
    ),
    clockSkewFailSeconds: clockSeconds(
      "The agent reports ClockSynced=False above this skew; null: what the service is set to.",
    ),
  })
  .meta({ id: "FabricChange", description: "What is left out stays as it is." });
