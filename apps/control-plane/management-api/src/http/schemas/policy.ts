import { z } from "zod";
import { conditionSchema } from "./api.ts";
import { instant, nameText, pageSize, pageToken, plainText, uuid } from "./common.ts";

export const policyName = nameText("Name of a policy.");

export const policyTypeSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    description: z.string(),
    category: z.string(),
    hasConditions: z.boolean(),
    schema: z.record(z.string(), z.unknown()).meta({ description: 'JSON Schema; "secret": true marks secrets.' }),
  })
  .meta({ id: "PolicyType", description: "A type of the catalogue." });

export const policyTypeQuery = z.strictObject({ type: plainText(64).optional(), limit: pageSize, pageToken });

export const policyBody = z.strictObject({
  type: plainText(64).min(1, "must not be empty"),
  order: z.int().min(1, "must be at least 1").max(1_000).optional().meta({
    description: "Position, from 1; without it as it was, or behind the last.",
  }),
  enabled: z.boolean().optional(),
  configuration: z.record(z.string(), z.unknown()).default({}).meta({
    description: 'All of it. A secret given as "(set)" stays as it was.',
  }),
  conditions: z.array(conditionSchema).max(50, "must be at most 50").default([]).meta({
    description: "Applies where any of them matches; everywhere if there is none.",
  }),
  baseVersion: z.int().min(0).default(0).meta({
    description: "Version that the change was made on; another one now is POLICY_CHANGED. 0: whatever it is.",
  }),
  dryRun: z.boolean().default(false).meta({ description: "Check everything, save nothing." }),
  modules: z
    .array(z.base64("must be base64"))
    .max(8, "must be at most 8")
    .default([])
    .meta({ description: "Modules of custom policies, base64; the configuration names them by SHA-256." }),
});

export const policySchema = z
  .object({
    policyId: z.string(),
    environment: z.string(),
    api: z.string().nullable().meta({ description: "Name of the API; null for an automated policy." }),
    apiVersion: z.string().nullable(),
    type: z.string(),
    name: z.string(),
    order: z.int(),
    enabled: z.boolean(),
    configuration: z.record(z.string(), z.unknown()).meta({ description: 'Secrets are shown as "(set)".' }),
    conditions: z.array(
      z.object({ methods: z.string(), uriTemplate: z.string().optional(), regularExpression: z.string().optional() }),
    ),
    version: z.int(),
    updatedAt: instant("Last change."),
    updatedBy: z.string(),
  })
  .meta({ id: "Policy", description: "A policy of an API or an environment." });

export const savedPolicySchema = z
  .object({
    policy: policySchema,
    changed: z.boolean(),
    warnings: z.array(z.string()).meta({ description: "For example conditions that match no resource of the API." }),
  })
  .meta({ id: "SavedPolicy", description: "What was saved." });

export const policyVersionSchema = z
  .object({ action: z.enum(["created", "changed", "removed"]), policy: policySchema })
  .meta({ id: "PolicyVersion", description: "A policy as it was made at a time." });

export const removedPolicySchema = z.object({ policyId: uuid("Id that it had.") });

export const policyOrderBody = z.strictObject({
  names: z.array(policyName).max(64, "must be at most 64").meta({ description: "Each policy once, in order." }),
});
