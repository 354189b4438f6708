import { z } from "zod";
import {
  environmentName,
  flag,
  instant,
  nullableInstant,
  pageSize,
  pageToken,
  plainText,
  uuid,
  wholeNumber,
} from "./common.ts";

export const captureParams = z.strictObject({ environment: environmentName, id: uuid("Id of the capture.") });

export const captureListQuery = z.strictObject({
  environment: environmentName.optional(),
  running: flag("Only those that run."),
  limit: pageSize,
  pageToken,
});

export const exchangesQuery = z.strictObject({
  limit: wholeNumber(1, 100_000, "At most so many of those that are there.").default(100),
  follow: flag("Go on with those that come in, oldest first."),
});

/** Parts of an exchange by the names that the API has for them. */
export const partNames = ["query", "request-headers", "request-body", "answer-headers", "answer-body"] as const;

const texts = (what: string, most: number) =>
  z
    .array(plainText(400).min(1, "must not be empty"))
    .max(most, `must be at most ${most}`)
    .default([])
    .meta({ description: what });
const parts = z
  .array(z.enum(partNames, `must be of ${partNames.join(", ")}`))
  .min(1, "must name at least one")
  .meta({ description: "What is told of an exchange; all of it masked, but for what is revealed." });

export const captureBody = z.strictObject({
  durationSeconds: z
    .int()
    .min(1, "must be at least 1")
    .max(86_400, "must be at most 86400")
    .meta({ description: "How long it runs; it ends by itself." }),
  samplePercent: z
    .number()
    .min(0.0001, "must be at least 0.0001")
    .max(100, "must be at most 100")
    .default(100)
    .meta({ description: "Of the exchanges that meet the conditions so many are taken, at random." }),
  where: z
    .strictObject({
      methods: texts("Methods.", 10),
      paths: texts('Resources as templates, as analytics tell them: "/orders/{id}".', 20),
      statusClasses: z
        .array(z.enum(["1xx", "2xx", "3xx", "4xx", "5xx"], "must be 1xx to 5xx"))
        .default([])
        .meta({ description: "Classes of the answer's status." }),
      applications: texts("Names of client applications.", 20),
    })
    .prefault({})
    .meta({ description: "Which exchanges; of each that is named one has to hold." }),
  parts: parts.default([...partNames]),
  reveal: texts(
    'Paths of values that are told as they came: "$.order.items[*].sku", "header.x-region", "query.page".',
    100,
  ),
  redact: texts('What is left out altogether: paths, with all below them, or names, "email".', 100),
  exchangesPerSecond: z
    .int()
    .min(1, "must be at least 1")
    .max(100, "must be at most 100")
    .default(10)
    .meta({ description: "Of each gateway, at most." }),
  limit: z
    .int()
    .min(1, "must be at least 1")
    .max(100_000, "must be at most 100000")
    .default(100)
    .meta({ description: "Of each gateway in all, at most." }),
});

export const captureSchema = z
  .object({
    captureId: z.string(),
    environment: z.string(),
    api: z.string(),
    apiVersion: z.string(),
    state: z.enum(["running", "ended", "stopped"]),
    startedAt: instant("When it was started."),
    startedBy: z.string(),
    endsAt: instant("When it ends, or would have ended."),
    overAt: nullableInstant("When it ended or was stopped; null while it runs."),
    stoppedBy: z.string().nullable(),
    samplePercent: z.number(),
    where: z.object({
      methods: z.array(z.string()),
      paths: z.array(z.string()),
      statusClasses: z.array(z.string()),
      applications: z.array(z.string()),
    }),
    parts,
    reveal: z.array(z.string()),
    redact: z.array(z.string()),
    exchangesPerSecond: z.int(),
    limit: z.int(),
  })
  .meta({ id: "Capture", description: "An order to tell some exchanges of an API for a time." });

export const startedCaptureSchema = captureSchema.extend({
  fabrics: z
    .array(z.string())
    .meta({ description: "Ids of fabrics with apps of the API: those that may follow it, if their owners allow it." }),
  warnings: z.array(z.string()).meta({ description: "What is worth a look." }),
});

const lossReasons = ["unknown", "rate", "memory", "undelivered", "refused", "fault"] as const;

export const shownCaptureSchema = captureSchema.extend({
  taken: z
    .object({
      exchanges: z.int(),
      bytes: z.int(),
      lastAt: nullableInstant("When a gateway received the last of them."),
      losses: z
        .array(z.object({ reason: z.enum(lossReasons), exchanges: z.int() }))
        .meta({ description: "Exchanges that met it and are not kept." }),
      keptDays: z.int().meta({ description: "Days that exchanges are kept." }),
    })
    .nullable()
    .meta({ description: "How much it took; null where nobody keeps it." }),
});

const field = z.object({ name: z.string(), value: z.string(), isRevealed: z.boolean() });
const body = z
  .object({
    bytes: z.int(),
    mediaType: z.string(),
    form: z.enum(["unknown", "empty", "json", "fields", "other", "tooLarge", "incomplete", "malformed"]),
    json: z.string().nullable().meta({ description: "JSON of the same shape, masked but for what is revealed." }),
    fields: z.array(field),
    revealed: z.array(z.string()).meta({ description: "Paths in json that are told as they came." }),
  })
  .nullable();

export const exchangeLineSchema = z.union([
  z.object({
    type: z.literal("exchange"),
    exchangeId: z.string(),
    fabricId: z.string(),
    at: instant("When the gateway received the request."),
    storedAt: instant("When it was stored."),
    app: z.string(),
    replica: z.string(),
    application: z.string(),
    method: z.string(),
    path: z.string().meta({ description: "As a template." }),
    status: z.int().meta({ description: "0: the client left before an answer." }),
    violatedPolicy: z.string(),
    latencyMs: z.number(),
    upstreamMs: z.number(),
    query: z.array(field),
    requestHeaders: z.array(field),
    requestBody: body.meta({ description: "null: not asked for." }),
    answerHeaders: z.array(field),
    answerBody: body.meta({ description: "null: not asked for." }),
  }),
  z.object({ type: z.literal("heartbeat"), at: z.string() }),
  z.object({ type: z.literal("error"), code: z.string(), detail: z.string() }),
]);
