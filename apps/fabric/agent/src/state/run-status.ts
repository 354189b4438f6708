import { z } from "zod";

/** run-status.json: what a running agent says of itself, for `status` on the same machine. A view; nothing is read back from it. */
export const runStatusSchema = z.object({
  schemaVersion: z.literal(1),
  pid: z.number().int(),
  agentVersion: z.string(),
  startedAt: z.string(),
  updatedAt: z.string(),
  opsAddress: z.string(),
  driver: z.string(),
  logsAllowed: z.boolean(),
  tunnel: z.object({
    status: z.enum(["not-activated", "connecting", "connected", "waiting", "refused"]),
    since: z.string(),
    address: z.string().optional(),
    sessionId: z.string().optional(),
    replica: z.string().optional(),
    epoch: z.string().optional(),
    code: z.string().optional(),
    message: z.string().optional(),
    retryAt: z.string().optional(),
  }),
  generation: z.object({ desired: z.string(), observed: z.string(), digest: z.string() }),
  clockSkewMs: z.number().optional(),
  clockSynced: z.boolean().default(true),
  trustBundleSequence: z.string().default(""),
  certificates: z
    .array(
      z.object({
        purpose: z.enum(["tunnel", "monitoring"]),
        serialNumber: z.string(),
        notAfter: z.string(),
        renewAt: z.string(),
        lastFailure: z.string(),
      }),
    )
    .default([]),
  alerts: z.array(z.object({ reason: z.string(), message: z.string(), since: z.string() })),
  apps: z.array(
    z.object({
      appId: z.string(),
      name: z.string(),
      environment: z.string(),
      version: z.string(),
      phase: z.string(),
      revision: z.string(),
      servingRevision: z.string(),
      readyReplicas: z.number(),
      replicas: z.number(),
      restarts: z.number(),
      endpoints: z.array(z.string()),
      message: z.string(),
    }),
  ),
});

export type RunStatus = z.output<typeof runStatusSchema>;
