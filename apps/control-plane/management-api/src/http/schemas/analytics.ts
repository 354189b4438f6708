import { z } from "zod";
import { parseFilter } from "../adapters/analytics-filter.ts";
import { type BucketName, buckets, dimensions, exportFormats, measures, namesOf } from "../adapters/analytics-names.ts";
import { flag, instant, nullableInstant, wholeNumber } from "./common.ts";

const mostFilters = 10;

/** "a,b" of a closed list, each once. */
const listOfNames = <N extends string>(names: readonly N[], what: string) =>
  z
    .string()
    .max(1_000, "must have at most 1000 characters")
    .transform((text) => text.split(",").filter((name) => name !== ""))
    .pipe(z.array(z.enum(names, { error: `must be of ${names.join(", ")}` })))
    .meta({ description: `${what} With commas between them: ${names.join(", ")}.` });

const filter = z
  .string()
  .max(110_000, "must have at most 110000 characters")
  .transform((text, context) => {
    const parsed = parseFilter(text);
    if (typeof parsed !== "string") return parsed;
    context.addIssue({ code: "custom", message: parsed });
    return z.NEVER;
  });

const selection = {
  from: z.iso
    .datetime({ offset: true, error: "must be an instant with its zone: 2026-01-31T12:00:00Z" })
    .optional()
    .meta({ description: "From this time on; 24 hours before `to` if it is not given." }),
  to: z.iso
    .datetime({ offset: true, error: "must be an instant with its zone: 2026-01-31T12:00:00Z" })
    .optional()
    .meta({ description: "Before this time; now if it is not given." }),
  where: z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat())
    .pipe(z.array(filter).max(mostFilters, `must be at most ${mostFilters}`))
    .default([])
    .meta({
      description:
        "`dimension=value` or `dimension!=value`, of several values with `|` between them; given several times, all of them hold. A backslash takes `|` and itself as they are.",
    }),
};

export const analyticsQuery = z.strictObject({
  ...selection,
  timeZone: z
    .string()
    .max(64, "must have at most 64 characters")
    .default("")
    .meta({ description: "IANA time zone of the buckets; UTC if it is not given." }),
  bucket: z
    .enum(namesOf(buckets) as [BucketName, ...BucketName[]], {
      error: `must be ${namesOf(buckets).join(", ")}`,
    })
    .optional()
    .meta({ description: "By date: the width of a bucket. One figure for the whole time if it is not given." }),
  groupBy: listOfNames(namesOf(dimensions), "At most 4.").optional(),
  measures: listOfNames(namesOf(measures), "1 to 8; `requests` if it is not given.").optional(),
  limit: wholeNumber(
    1,
    10_000,
    "Groups with the largest first measure over the whole time, each with all of its buckets.",
  ).default(1_000),
});

export const requestsQuery = z.strictObject({
  ...selection,
  limit: wholeNumber(0, 1_000, "At most so many of those that are there.").default(100),
  follow: flag("Go on with those that come in; `to` is not looked at."),
});

export const exportQuery = z.strictObject({
  ...selection,
  format: z.enum(namesOf(exportFormats), { error: `must be ${namesOf(exportFormats).join(", ")}` }).default("csv"),
});

export const analyticsSchema = z
  .object({
    from: instant("Begin of the time."),
    to: instant("End of the time, not included."),
    timeZone: z.string(),
    bucket: z.string().nullable(),
    groupBy: z.array(z.string()),
    measures: z.array(z.string()),
    buckets: z
      .array(instant("Begin of a bucket."))
      .meta({ description: "All of the time, also those without requests, which have no row." }),
    rows: z.array(
      z.object({
        bucket: nullableInstant("Begin of the bucket; null without buckets."),
        group: z.record(z.string(), z.string()).meta({ description: "By dimension; empty text: not told." }),
        values: z
          .record(z.string(), z.number().nullable())
          .meta({ description: "By measure; null where there is none." }),
      }),
    ),
    isCut: z.boolean().meta({ description: "There were more groups than the limit." }),
    missingRequests: z.number().meta({
      description:
        "Requests that gateways of these fabrics are known to have lost in this time, at most so many of them of this environment.",
    }),
    source: z.string().meta({ description: "Table that it was answered from: requests or a roll-up." }),
    keptSince: instant("What came before this is not kept any more in that table."),
  })
  .meta({ id: "Analytics", description: "Figures over requests." });

const text = z.string();
export const requestLineSchema = z
  .union([
    z.object({
      type: z.literal("request"),
      time: instant("When the gateway received it."),
      environment: text,
      api: text,
      apiVersion: text,
      application: text,
      verb: text,
      resourcePath: text.meta({ description: "Template, never the path itself." }),
      statusCode: z.int().meta({ description: "0 if the client left before an answer." }),
      disposition: text.meta({ description: "processed, policy_violation, blocked or error." }),
      violatedPolicy: text,
      latencyMs: z.number(),
      upstreamMs: z.number(),
      requestBytes: z.int(),
      responseBytes: z.int(),
      clientIp: text.meta({ description: "As far as it was told." }),
      continent: text,
      country: text,
      city: text,
      postalCode: text,
      timezone: text,
      browser: text,
      userAgentType: text,
      userAgentVersion: text,
      hardwarePlatform: text,
      osFamily: text,
      osMajorVersion: text,
      osMinorVersion: text,
      osVersion: text,
      app: text,
      replica: text,
      gateway: text,
      fabricId: text,
      weight: z.int().meta({ description: "Requests that it stands for, itself among them." }),
    }),
    z.object({ type: z.literal("leftOut"), requests: z.int() }),
    z.object({ type: z.literal("heartbeat"), at: z.iso.datetime() }),
    z.object({ type: z.literal("error"), code: text, detail: text }),
  ])
  .meta({
    id: "RequestLine",
    description:
      "One line of the stream. Texts are empty where nothing was told. leftOut: so many came in besides those that are told. A heartbeat comes when nothing else came for 15 s; an error is the last line.",
  });

export const intakeSchema = z
  .object({
    gateways: z.array(
      z.object({
        fabricId: text,
        fabric: text.nullable().meta({ description: "Name; null if the fabric was deleted or its owner is away." }),
        gateway: text,
        lastBatchAt: nullableInstant("When its last batch came that is stored."),
        requests: z.number().meta({ description: "Stored, since the beginning of the record." }),
        missing: z.array(
          z.object({
            requests: z.number(),
            from: instant("From."),
            to: instant("To."),
            reason: text.meta({
              description: "overloaded, spool_full, too_old, spool_damaged, refused, interrupted or unknown.",
            }),
          }),
        ),
      }),
    ),
    waitingBatches: z.number().meta({ description: "Received, not stored yet." }),
    deadLetters: z.number().meta({ description: "Batches that could not be stored." }),
    lagMs: z.number().meta({ description: "From a request to its being visible, lately." }),
    retentionDays: z.int().meta({ description: "Days that single requests are kept." }),
  })
  .meta({ id: "AnalyticsIntake", description: "How complete analytics are." });

export const deadLetterSchema = z
  .object({
    id: text.meta({ description: "Number in the stream." }),
    fabricId: text,
    gateway: text.meta({ description: "As far as it can be read." }),
    time: instant("When it was put aside."),
    code: text.meta({ description: "What was wrong; docs/errors.md lists the codes." }),
    message: text,
    bytes: z.int(),
    attempts: z.int(),
  })
  .meta({ id: "DeadLetter", description: "A batch of requests that could not be stored." });

const deadLetterId = z.string().regex(/^[1-9]\d{0,18}$/, "must be numbers of dead letters");
export const deadLetterIds = z
  .array(deadLetterId)
  .min(1, "must name at least one")
  .max(1_000, "must name at most 1000");
