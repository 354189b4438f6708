import { z } from "zod";

const ownMetricSchema = z.object({
  fabric: z.string(),
  fabricId: z.string(),
  name: z.string(),
  kind: z.enum(["counter", "gauge", "distribution"]),
  method: z.string(),
  statusClass: z.string(),
  points: z.array(z.object({ at: z.string().nullish(), value: z.number(), count: z.number() })),
});

/** Of GET …/own-metrics. */
export const ownMetricsSchema = z.object({ items: z.array(ownMetricSchema), askedAt: z.string() });

export type OwnMetric = z.output<typeof ownMetricSchema>;
