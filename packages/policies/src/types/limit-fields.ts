import { z } from "zod";

const longestPeriodMs = 31 * 86_400_000;

const limitField = z.strictObject({
  requests: z.number().int().min(1).max(1_000_000_000).meta({ description: "requests allowed in each window" }),
  periodMs: z.number().int().min(1_000).max(longestPeriodMs).meta({
    description: "length of a window in milliseconds, at least one second; windows begin at its multiples since 1970",
  }),
});

export const limitsField = z
  .array(limitField)
  .min(1)
  .max(8)
  .refine((limits) => new Set(limits.map(({ periodMs }) => periodMs)).size === limits.length, {
    message: "has two limits of one length: only the smaller could ever matter",
  })
  .meta({ description: "limits that all hold, for example 10 per second and 1,000 per hour" });

export const exposeHeadersField = z.boolean().default(false).meta({
  description:
    "tell clients how they stand: x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset (milliseconds)",
});
