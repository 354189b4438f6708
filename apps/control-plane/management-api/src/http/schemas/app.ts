import { z } from "zod";
import { bundleDigest, fabricRef, nullableInstant } from "./common.ts";
import { gatekeeperLevel, gateSchema } from "./gate.ts";

export const desiredStates = ["running", "stopped"] as const;
export const appPhases = ["pending", "progressing", "running", "stopped", "failed", "degraded"] as const;

const replicaSchema = z
  .object({
    replicaId: z.string(),
    revision: z.int(),
    state: z.string().meta({ description: "starting, ready, unready, draining, stopped or crashed." }),
    restarts: z.int(),
    startedAt: nullableInstant("When the running process started."),
    lastExit: z.string(),
  })
  .meta({ id: "Replica", description: "One replica as the agent sees it." });

const conditionSchema = z
  .object({
    type: z.string(),
    status: z.string().meta({ description: "True, False or Unknown." }),
    reason: z.string(),
    message: z.string(),
    lastTransitionAt: nullableInstant("When the status last changed."),
  })
  .meta({ id: "Condition", description: "One statement about an app." });

const appStatusSchema = z
  .object({
    phase: z.enum(appPhases),
    observedGeneration: z.int(),
    servingRevision: z.int().meta({ description: "Revision that serves requests now; 0 if none." }),
    readyReplicas: z.int(),
    appliedCurrent: z.boolean().meta({ description: "Whether the wish of now is fully applied." }),
    replicas: z.array(replicaSchema),
    conditions: z.array(conditionSchema),
    endpoints: z.array(z.string()),
    gates: z.array(gateSchema).meta({ description: "Of its tracked APIs; none if its manifest declares none." }),
    observedAt: nullableInstant("When the agent made this statement."),
  })
  .meta({ id: "AppStatus", description: "What an app is." });

export const appSchema = z
  .object({
    name: z.string(),
    environment: z.string(),
    fabric: z.string(),
    fabricId: z.string(),
    appId: z.string(),
    version: z.string(),
    revision: z.int(),
    generation: z.int(),
    desiredState: z.enum(desiredStates),
    replicas: z.int(),
    publicPort: z.int(),
    routes: z
      .array(z.object({ host: z.string(), path: z.string() }))
      .meta({ description: "Hosts and paths on the ports that the fabric's operator opened for all apps." }),
    gatekeeper: z
      .object({ level: z.string(), source: z.string() })
      .nullable()
      .meta({ description: "Level that was set nearest, and whose it is: app, environment or fabric; null for none." }),
    bundleDigest: z.string(),
    deleting: z.boolean(),
    createdAt: nullableInstant("When it was first deployed."),
    updatedAt: nullableInstant("When the wish last changed."),
    statusCurrent: z
      .boolean()
      .meta({ description: "False when the fabric is not connected: status is the last known one." }),
    manifest: z.unknown().meta({ description: "Manifest of the bundle." }),
    status: appStatusSchema.nullable().meta({ description: "null before the agent's first report." }),
  })
  .meta({ id: "App", description: "An app: what it should be, and what it is." });

export const revisionSchema = z
  .object({
    revision: z.int(),
    version: z.string(),
    bundleDigest: z.string(),
    hasConfiguration: z.boolean(),
    createdAt: nullableInstant("When it was deployed."),
    requestedBy: z.string(),
    cause: z.string().meta({ description: '"deploy" or "rollback to <n>".' }),
    current: z.boolean().meta({ description: "True for the one desired now." }),
    servedAt: nullableInstant("When its fabric was first seen serving it; null if it never was."),
  })
  .meta({ id: "Revision", description: "One version that was deployed." });

/** As in the manifest: what packages/bundle takes for the name of a property. */
const propertyName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/, "must begin with a letter or _ and have only letters, digits, _, . and -");
const maxProperties = 1_000;

const propertyMap = (what: string) =>
  z
    .record(propertyName, z.string("must be text").max(65_536, "must have at most 65536 characters"))
    .refine((map) => Object.keys(map).length <= maxProperties, `must have at most ${maxProperties} properties`)
    .meta({ description: what });

export const deployBody = z.strictObject({
  fabric: fabricRef
    .optional()
    .meta({ description: "Name or id of the fabric; may be left out for an app that exists." }),
  bundleDigest,
  replicas: z.int("must be a whole number").min(0, "must be 0 to 100").max(100, "must be 0 to 100").optional(),
  publicPort: z
    .int("must be a whole number")
    .min(0, "must be 0 to 65535")
    .max(65_535, "must be 0 to 65535")
    .optional()
    .meta({ description: "Port that serves the app; 0 lets the agent choose." }),
  routes: z
    .array(
      z.strictObject({
        host: z
          .string("must be text")
          .min(1, "must not be empty")
          .max(300, "must have at most 253 characters")
          .meta({ description: 'For example "api.example.com" or "*.example.com" for one label in front.' }),
        path: z
          .string("must be text")
          .max(600, "must have at most 500 characters")
          .default("/")
          .meta({ description: 'This path and what is below it; "/" for all.' }),
      }),
    )
    .max(50, "must have at most 50 items")
    .optional()
    .meta({
      description:
        "Hosts and paths on the ports that the fabric's operator opened for all apps; they replace the earlier ones, [] takes them away.",
    }),
  strategy: z
    .strictObject({
      maxSurge: z.int("must be a whole number").min(1, "must be 1 to 100").max(100, "must be 1 to 100").default(1),
      readyTimeoutSeconds: z
        .int("must be a whole number")
        .min(0, "must be 0 to 3600")
        .max(3_600, "must be 0 to 3600")
        .default(0)
        .meta({ description: "Seconds that a replica has to become ready; 0: what the bundle's manifest says." }),
      drainTimeoutSeconds: z
        .int("must be a whole number")
        .min(1, "must be 1 to 3600")
        .max(3_600, "must be 1 to 3600")
        .default(25),
    })
    .optional()
    .meta({ description: "How the new version replaces the old one." }),
  gatekeeper: gatekeeperLevel.optional(),
  properties: propertyMap(
    "Plain properties. `anypoint.platform.gatekeeper` or `drawbridge.gatekeeper` sets the gatekeeper's level.",
  ).optional(),
  secureProperties: propertyMap("Secure properties: encrypted at rest, never shown again.").optional(),
});

export const scaleBody = z.strictObject({
  replicas: z.int("must be a whole number").min(0, "must be 0 to 100").max(100, "must be 0 to 100"),
});

export const rollbackBody = z
  .strictObject({
    toRevision: z.int("must be a whole number").min(1, "must be at least 1").optional().meta({
      description: "If left out, the newest one before the current one that once served and has other content.",
    }),
  })
  .default({});

export const logLineSchema = z
  .union([
    z.object({
      type: z.literal("line"),
      replicaId: z.string(),
      stream: z.string().meta({ description: "stdout or stderr." }),
      line: z.string(),
      at: nullableInstant("When the app wrote it, if known."),
    }),
    z.object({ type: z.literal("heartbeat"), at: z.iso.datetime() }),
    z.object({ type: z.literal("error"), code: z.string(), detail: z.string() }),
  ])
  .meta({
    id: "LogLine",
    description:
      "One line of the stream. A heartbeat comes when nothing else came for 15 s; an error is the last line.",
  });
