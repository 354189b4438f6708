import { z } from "zod";

// What management-api answers about requests, as far as the CLI reads it.

export const analyticsSchema = z.object({
  from: z.string(),
  timeZone: z.string(),
  bucket: z.string().nullish(),
  groupBy: z.array(z.string()),
  measures: z.array(z.string()),
  buckets: z.array(z.string()),
  rows: z.array(
    z.object({
      bucket: z.string().nullish(),
      group: z.record(z.string(), z.string()),
      values: z.record(z.string(), z.number().nullable()),
    }),
  ),
  isCut: z.boolean(),
  missingRequests: z.number(),
  source: z.string(),
  keptSince: z.string(),
});
export type Analytics = z.output<typeof analyticsSchema>;
export type AnalyticsRow = Analytics["rows"][number];

export const requestLineSchema = z.union([
  z.object({
    type: z.literal("request"),
    time: z.string(),
    api: z.string(),
    apiVersion: z.string(),
    application: z.string(),
    verb: z.string(),
    resourcePath: z.string(),
    statusCode: z.number(),
    disposition: z.string(),
    violatedPolicy: z.string(),
    latencyMs: z.number(),
    clientIp: z.string(),
    weight: z.number(),
  }),
  z.object({ type: z.literal("leftOut"), requests: z.number() }),
  z.object({ type: z.literal("heartbeat") }),
  z.object({ type: z.literal("error"), code: z.string(), detail: z.string() }),
]);
export type RequestLine = Extract<z.output<typeof requestLineSchema>, { readonly type: "request" }>;

export const intakeSchema = z.object({
  gateways: z.array(
    z.object({
      fabricId: z.string(),
      fabric: z.string().nullish(),
      gateway: z.string(),
      lastBatchAt: z.string().nullish(),
      requests: z.number(),
      missing: z.array(z.object({ requests: z.number(), from: z.string(), to: z.string(), reason: z.string() })),
    }),
  ),
  waitingBatches: z.number(),
  deadLetters: z.number(),
  lagMs: z.number(),
  retentionDays: z.number(),
});
export type IntakeGateway = z.output<typeof intakeSchema>["gateways"][number];

export const deadLetterSchema = z.object({
  id: z.string(),
  fabricId: z.string(),
  gateway: z.string(),
  time: z.string(),
  code: z.string(),
  message: z.string(),
  bytes: z.number(),
  attempts: z.number(),
});
