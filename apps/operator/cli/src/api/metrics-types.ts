import { z } from "zod";

/** Times as the server sends them. */
const pointSchema = z.object({
  at: z.string().nullish(),
  cpuMillicores: z.number().nullable(),
  memoryUsedBytes: z.number(),
  memoryTotalBytes: z.number(),
  messages: z.number(),
  messagesPerMinute: z.number().nullable(),
  responseTimeMs: z.number().nullable(),
  errors: z.number(),
  countedSeconds: z.number(),
});

const seriesSchema = z.object({ current: pointSchema.nullable(), points: z.array(pointSchema) });

const appMetricsSchema = z.object({
  environment: z.string(),
  app: z.string(),
  fabric: z.string(),
  fabricId: z.string(),
  total: seriesSchema,
  replicas: z.array(z.object({ replicaId: z.string(), series: seriesSchema })),
});

/** Of GET …/metrics. */
export const metricsSchema = z.object({ items: z.array(appMetricsSchema), askedAt: z.string() });

export type MetricsAnswer = z.output<typeof metricsSchema>;
export type AppMetrics = z.output<typeof appMetricsSchema>;
export type MetricSeries = z.output<typeof seriesSchema>;
export type MetricPoint = z.output<typeof pointSchema>;
