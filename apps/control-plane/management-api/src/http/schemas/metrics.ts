import { z } from "zod";
import { instant, nullableInstant } from "./common.ts";

const pointSchema = z
  .object({
    at: nullableInstant("Begin of the step, or the time of the sample."),
    cpuMillicores: z
      .number()
      .nullable()
      .meta({ description: "Thousandths of a core; null where it was not measured." }),
    memoryUsedBytes: z.int().meta({ description: "0 where it was not measured." }),
    memoryTotalBytes: z.int().meta({ description: "What it may use; 0 where there is no limit." }),
    messages: z.int().meta({ description: "Requests in the step, or in the sampling interval." }),
    messagesPerMinute: z.number().nullable().meta({ description: "Null where it is not known how long was counted." }),
    responseTimeMs: z.number().nullable().meta({ description: "Mean; null without requests." }),
    errors: z.int().meta({ description: "Of the messages, those that failed." }),
    countedSeconds: z
      .number()
      .meta({ description: "How long messages were counted; less than a step that is not over." }),
  })
  .meta({ id: "MetricPoint", description: "What an app or replica used and did at one time, or in one step." });

const seriesSchema = z
  .object({
    current: pointSchema
      .nullable()
      .meta({ description: "The last sample; null when it is older than three sampling intervals." }),
    points: z.array(pointSchema).meta({ description: "One for each step in which something was measured." }),
  })
  .meta({ id: "MetricSeries", description: "Values now and over time." });

const appMetricsSchema = z
  .object({
    environment: z.string(),
    app: z.string(),
    fabric: z.string(),
    fabricId: z.string(),
    total: seriesSchema.meta({ description: "All replicas together." }),
    replicas: z
      .array(
        z.object({ replicaId: z.string().meta({ description: "Empty: the app as a whole." }), series: seriesSchema }),
      )
      .meta({ description: "One by one, if asked for." }),
  })
  .meta({ id: "AppMetrics", description: "Metrics of one app on one fabric." });

export const metricsSchema = z
  .object({
    items: z.array(appMetricsSchema),
    askedAt: instant("Time of the answer: `current` is as of then."),
  })
  .meta({ description: "Apps by environment and name." });
