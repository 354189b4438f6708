import { z } from "zod";

// What management-api answers, as far as the CLI reads it. Unknown fields are ignored: the server may be newer.

const instant = z.string();

export const conditionSchema = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string(),
  message: z.string(),
  lastTransitionAt: instant.nullish(),
});

export const gateSchema = z.object({
  gatewayId: z.string(),
  apiName: z.string(),
  apiVersion: z.string(),
  basePath: z.string(),
  deployment: z.string().default(""),
  state: z.string(),
  blocked: z.boolean(),
  since: instant.nullish(),
  level: z.string(),
  levelSource: z.string(),
  reason: z.string(),
  message: z.string(),
  appliedRevision: z.number(),
  desiredRevision: z.number(),
  policies: z.number(),
  contracts: z.number(),
  warnings: z.array(z.string()).default([]),
  // Only in lists of gates.
  app: z.string().optional(),
  environment: z.string().optional(),
  statusCurrent: z.boolean().optional(),
});
/** Of an environment or a fabric. */
export const gatekeeperSettingSchema = z.object({ kind: z.string(), name: z.string(), level: z.string().nullable() });
/** Of an environment or a fabric, by its name. */
export const gatekeeperLevelSchema = z.object({ kind: z.string(), name: z.string(), level: z.string() });
export type GatekeeperLevel = z.output<typeof gatekeeperLevelSchema>;
export type Gate = z.output<typeof gateSchema>;

export const appStatusSchema = z.object({
  phase: z.enum(["pending", "progressing", "running", "stopped", "failed", "degraded"]),
  observedGeneration: z.number(),
  servingRevision: z.number(),
  readyReplicas: z.number(),
  appliedCurrent: z.boolean(),
  replicas: z.array(
    z.object({
      replicaId: z.string(),
      revision: z.number(),
      state: z.string(),
      restarts: z.number(),
      startedAt: instant.nullish(),
      lastExit: z.string().nullish(),
    }),
  ),
  conditions: z.array(conditionSchema),
  endpoints: z.array(z.string()),
  gates: z.array(gateSchema).default([]),
  observedAt: instant.nullish(),
});

export const appSchema = z.object({
  name: z.string(),
  environment: z.string(),
  fabric: z.string(),
  fabricId: z.string(),
  appId: z.string(),
  version: z.string(),
  revision: z.number(),
  generation: z.number(),
  desiredState: z.enum(["running", "stopped"]),
  replicas: z.number(),
  publicPort: z.number(),
  routes: z.array(z.object({ host: z.string(), path: z.string() })).default([]),
  gatekeeper: z.object({ level: z.string(), source: z.string() }).nullish(),
  bundleDigest: z.string(),
  deleting: z.boolean(),
  createdAt: instant,
  updatedAt: instant,
  statusCurrent: z.boolean(),
  manifest: z.object({ apis: z.array(z.unknown()).optional() }).nullish(),
  status: appStatusSchema.nullable(),
});
export type App = z.output<typeof appSchema>;

export const fabricSchema = z.object({
  fabricId: z.string(),
  name: z.string(),
  region: z.string(),
  environments: z.array(z.string()),
  state: z.enum(["pending", "connected", "unreachable", "disconnected"]),
  cluster: z
    .object({
      driver: z.string(),
      agentVersion: z.string(),
      clusterVersion: z.string(),
      kubernetesVersion: z.string(),
      containerRuntimeVersion: z.string(),
      nodes: z.number(),
      cpuMillicores: z.number(),
      memoryBytes: z.number(),
      logsAllowed: z.boolean(),
    })
    .nullable(),
  alerts: z.array(z.object({ reason: z.string(), message: z.string(), since: instant.nullish() })),
  agentId: z.string(),
  desiredGeneration: z.number(),
  observedGeneration: z.number(),
  lastSeenAt: instant.nullish(),
  clockSkewMs: z.number(),
  clockLimits: z.object({ warnSeconds: z.number(), failSeconds: z.number() }),
  certificateSerial: z.string(),
  certificateNotAfter: instant.nullish(),
  tunnelReplica: z.string(),
  appCount: z.number(),
  createdAt: instant,
});
export type Fabric = z.output<typeof fabricSchema>;

export const fabricTokenSchema = z.object({
  tokenId: z.string(),
  fabricId: z.string(),
  fabric: z.string(),
  state: z.string(),
  createdAt: instant,
  expiresAt: instant,
  createdBy: z.string(),
  redeemedAt: instant.nullish(),
  agentId: z.string().nullish(),
  refusedUses: z.number(),
  allowedNetworks: z.array(z.string()).default([]),
  keySha256: z.string().default(""),
  requiresApproval: z.boolean().default(false),
  approvedBy: z.string().default(""),
  approvedAt: instant.nullish(),
  approvedKeySha256: z.string().default(""),
  applicants: z
    .array(
      z.object({
        keySha256: z.string(),
        address: z.string(),
        agentVersion: z.string(),
        firstAskedAt: instant,
        lastAskedAt: instant,
      }),
    )
    .default([]),
});
export type FabricToken = z.output<typeof fabricTokenSchema>;

export const newFabricTokenSchema = z.object({
  tokenId: z.string(),
  token: z.string(),
  fabricId: z.string(),
  fabric: z.string(),
  created: z.boolean(),
  environments: z.array(z.string()),
  expiresAt: instant,
});
export type NewFabricToken = z.output<typeof newFabricTokenSchema>;

export const deletedFabricSchema = z.object({ fabricId: z.string() });

export const revisionSchema = z.object({
  revision: z.number(),
  version: z.string(),
  bundleDigest: z.string(),
  createdAt: instant,
  requestedBy: z.string(),
  cause: z.string(),
  current: z.boolean(),
  servedAt: instant.nullish(),
});

export const sessionSchema = z.object({ token: z.string(), expiresAt: instant, username: z.string() });

export const whoamiSchema = z.object({
  username: z.string(),
  bindings: z.array(z.object({ role: z.string(), environment: z.string() })),
});

export const statusSchema = z.object({
  services: z.array(z.object({ service: z.string(), ready: z.boolean(), detail: z.string().nullish() })),
});

export const auditEntrySchema = z.object({
  seq: z.number(),
  at: instant,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  result: z.string(),
  errorCode: z.string().nullish(),
});

/** One line of the NDJSON stream of logs; other types are signs of life. */
export const logEntrySchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("line"),
    replicaId: z.string(),
    stream: z.string(),
    line: z.string(),
    at: instant.nullish(),
  }),
  z.object({ type: z.literal("heartbeat") }),
  z.object({ type: z.literal("error"), code: z.string(), detail: z.string() }),
]);

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextPageToken: z.string().nullish() });
