import { z } from "zod";

// What management-api answers about APIs, as far as the CLI reads it. Unknown fields are ignored: the server may be newer.

export const apiSchema = z.object({
  apiId: z.string(),
  environment: z.string(),
  name: z.string(),
  version: z.string(),
  description: z.string(),
  autoApprove: z.boolean(),
  hasOpenapi: z.boolean(),
  observeRoutes: z.boolean().default(false),
  routeWords: z.array(z.string()).default([]),
  analytics: z.string().optional(),
  analyticsTold: z.boolean().optional(),
  revision: z.number(),
  policies: z.number(),
  policiesInForce: z.number().optional(),
  warnings: z.array(z.string()).default([]),
  contracts: z.number(),
  apps: z.array(z.object({ fabricId: z.string(), appId: z.string(), appName: z.string(), basePath: z.string() })),
  updatedAt: z.string(),
  updatedBy: z.string(),
});
export type Api = z.output<typeof apiSchema>;

export const analyticsSettingsSchema = z.object({
  environment: z.string(),
  isOn: z.boolean(),
  clientAddress: z.string(),
  userAgent: z.boolean(),
  geography: z.string(),
  routeWords: z.array(z.string()),
  warnings: z.array(z.string()).default([]),
  apisTold: z.number(),
  apisOff: z.number(),
  updatedAt: z.string().nullable(),
  updatedBy: z.string().nullable(),
});
export type AnalyticsSettings = z.output<typeof analyticsSettingsSchema>;

export const previewSchema = z.object({
  resources: z.array(
    z.object({
      method: z.string(),
      path: z.string(),
      conditions: z.array(z.object({ condition: z.number(), example: z.string(), counterexample: z.string() })),
    }),
  ),
  idleConditions: z.array(z.number()),
  source: z.string(),
  warnings: z.array(z.string()),
});

export const routesSchema = z.object({
  observed: z.boolean(),
  routes: z.array(z.object({ method: z.string(), path: z.string(), firstSeen: z.string(), lastSeen: z.string() })),
});

export const policyTypeSchema = z.object({
  type: z.string(),
  title: z.string(),
  description: z.string(),
  category: z.string(),
  hasConditions: z.boolean(),
  schema: z.record(z.string(), z.unknown()),
});

export const conditionSchema = z.object({
  methods: z.string(),
  uriTemplate: z.string().optional(),
  regularExpression: z.string().optional(),
});

export const policySchema = z.object({
  policyId: z.string(),
  environment: z.string(),
  api: z.string().nullable(),
  apiVersion: z.string().nullable(),
  type: z.string(),
  name: z.string(),
  order: z.number(),
  enabled: z.boolean(),
  configuration: z.record(z.string(), z.unknown()),
  conditions: z.array(conditionSchema),
  version: z.number(),
  updatedAt: z.string(),
  updatedBy: z.string(),
});
export type Policy = z.output<typeof policySchema>;

export const savedPolicySchema = z.object({
  policy: policySchema,
  changed: z.boolean(),
  warnings: z.array(z.string()),
});
export type SavedPolicy = z.output<typeof savedPolicySchema>;

export const policyVersionSchema = z.object({ action: z.string(), policy: policySchema });

export const clientSchema = z.object({
  clientId: z.string(),
  name: z.string(),
  description: z.string(),
  secrets: z.array(z.object({ secretId: z.string(), createdAt: z.string(), notAfter: z.string().nullable() })),
  contracts: z.number(),
  createdAt: z.string(),
  createdBy: z.string(),
  revokedAt: z.string().nullable(),
});
export type Client = z.output<typeof clientSchema>;

export const newSecretSchema = z.object({ client: clientSchema, clientSecret: z.string() });
export const revokedClientSchema = z.object({ client: clientSchema, revokedContracts: z.number() });

export const tierSchema = z.object({
  tierId: z.string(),
  name: z.string(),
  description: z.string(),
  limits: z.array(z.object({ requests: z.number(), periodMs: z.number() })),
  autoApprove: z.boolean().nullable(),
  contracts: z.number(),
});
export type Tier = z.output<typeof tierSchema>;

export const deletedTierSchema = z.object({ tierId: z.string() });

export const contractSchema = z.object({
  contractId: z.string(),
  environment: z.string(),
  api: z.string(),
  version: z.string(),
  clientId: z.string(),
  clientName: z.string(),
  tier: z.string(),
  state: z.string(),
  requestedAt: z.string(),
  requestedBy: z.string(),
  decidedAt: z.string().nullable(),
  decidedBy: z.string(),
  reason: z.string(),
});
export type Contract = z.output<typeof contractSchema>;
