import { z } from "zod";
import { instant, nullableInstant } from "./common.ts";

const ownMetricSchema = z
  .object({
    fabric: z.string(),
    fabricId: z.string(),
    name: z.string().meta({ description: "As the app calls it." }),
    kind: z.enum(["counter", "gauge", "distribution"]),
    method: z.string().meta({ description: "HTTP method, _OTHER, or empty." }),
    statusClass: z.string().meta({ description: "2xx and so on, or empty." }),
    points: z.array(
      z.object({
        at: nullableInstant("Begin of the step."),
        value: z.number().meta({
          description: "What a counter counted in the step, a gauge's mean, or the sum of what was observed.",
        }),
        count: z.int().meta({ description: "Of a distribution how many were observed; 0 else." }),
      }),
    ),
  })
  .meta({ id: "OwnMetric", description: "A metric that an app tells of itself, of all its replicas on one fabric." });

export const ownMetricsSchema = z
  .object({ items: z.array(ownMetricSchema), askedAt: instant("Time of the answer.") })
  .meta({ description: "By fabric, name, method and class of status." });
