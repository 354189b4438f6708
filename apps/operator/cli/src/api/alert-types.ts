import { z } from "zod";

export const alertSchema = z.object({
  incidentId: z.string(),
  environment: z.string(),
  rule: z.string(),
  series: z.string().nullable(),
  state: z.string(),
  figure: z.string(),
  bound: z.string(),
  value: z.number(),
  summary: z.string(),
  since: z.string(),
  firedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  silenceId: z.string().nullable(),
  deliveries: z.array(
    z.object({
      receiver: z.string(),
      kind: z.string(),
      state: z.string(),
      attempts: z.number(),
      problem: z.string().nullable(),
    }),
  ),
});
export type Alert = z.output<typeof alertSchema>;

const definitionSchema = z.object({
  name: z.string(),
  analytics: z.record(z.string(), z.string()).optional(),
  metric: z.record(z.string(), z.string()).optional(),
  windowSeconds: z.number(),
  above: z.number().optional(),
  below: z.number().optional(),
  forSeconds: z.number(),
  summary: z.string(),
  receivers: z.array(z.string()),
});

export const ruleSchema = z.object({
  name: z.string(),
  source: z.string(),
  state: z.string(),
  since: z.string().nullable(),
  value: z.number().nullable(),
  evaluatedAt: z.string().nullable(),
  succeededAt: z.string().nullable(),
  problem: z.string().nullable(),
  firing: z.number(),
  pending: z.number(),
  silenceId: z.string().nullable(),
  definition: definitionSchema,
  series: z.array(z.object({ series: z.string(), value: z.number() })),
});
export type Rule = z.output<typeof ruleSchema>;

export const ruleListSchema = z.object({
  environment: z.string(),
  version: z.number(),
  appliedAt: z.string().nullable(),
  appliedBy: z.string().nullable(),
  fileProblem: z.string().nullable(),
  items: z.array(ruleSchema),
});

export const ruleChangeSchema = z.object({
  environment: z.string(),
  version: z.number(),
  dryRun: z.boolean(),
  added: z.array(z.string()),
  changed: z.array(z.string()),
  removed: z.array(z.string()),
});

export const silenceSchema = z.object({
  silenceId: z.string(),
  environment: z.string(),
  rule: z.string().nullable(),
  series: z.string().nullable(),
  reason: z.string(),
  createdAt: z.string(),
  createdBy: z.string(),
  until: z.string(),
  endedAt: z.string().nullable(),
  endedBy: z.string().nullable(),
});

export const receiverSchema = z.object({ name: z.string(), kind: z.string(), target: z.string() });

export const receiverTestSchema = z.object({
  receiver: z.string(),
  delivered: z.boolean(),
  problem: z.string().nullable(),
  tookMs: z.number(),
});
