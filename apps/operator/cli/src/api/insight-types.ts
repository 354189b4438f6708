import { z } from "zod";

// What management-api answers about captures, as far as the CLI reads it; what else is in it stays, for `-o json`.

export const captureSchema = z.looseObject({
  captureId: z.string(),
  environment: z.string(),
  api: z.string(),
  apiVersion: z.string(),
  state: z.string(),
  startedAt: z.string(),
  startedBy: z.string(),
  endsAt: z.string(),
  overAt: z.string().nullish(),
  stoppedBy: z.string().nullish(),
  samplePercent: z.number(),
  where: z.looseObject({
    methods: z.array(z.string()),
    paths: z.array(z.string()),
    statusClasses: z.array(z.string()),
    applications: z.array(z.string()),
  }),
  parts: z.array(z.string()),
  reveal: z.array(z.string()),
  redact: z.array(z.string()),
  limit: z.number(),
});
export type Capture = z.output<typeof captureSchema>;

export const startedCaptureSchema = captureSchema.extend({
  fabrics: z.array(z.string()),
  warnings: z.array(z.string()),
});

export const shownCaptureSchema = captureSchema.extend({
  taken: z
    .looseObject({
      exchanges: z.number(),
      bytes: z.number(),
      lastAt: z.string().nullish(),
      losses: z.array(z.looseObject({ reason: z.string(), exchanges: z.number() })),
      keptDays: z.number(),
    })
    .nullish(),
});

const field = z.object({ name: z.string(), value: z.string() });
const body = z
  .object({
    bytes: z.number(),
    mediaType: z.string(),
    form: z.string(),
    json: z.string().nullish(),
    fields: z.array(field),
  })
  .nullish();
export type CapturedBody = NonNullable<z.output<typeof body>>;
export type CapturedField = z.output<typeof field>;

export const exchangeLineSchema = z.union([
  z.object({
    type: z.literal("exchange"),
    exchangeId: z.string(),
    at: z.string(),
    application: z.string(),
    method: z.string(),
    path: z.string(),
    status: z.number(),
    violatedPolicy: z.string(),
    latencyMs: z.number(),
    query: z.array(field),
    requestHeaders: z.array(field),
    requestBody: body,
    answerHeaders: z.array(field),
    answerBody: body,
  }),
  z.object({ type: z.literal("heartbeat") }),
  z.object({ type: z.literal("error"), code: z.string(), detail: z.string() }),
]);
export type ExchangeLine = Extract<z.output<typeof exchangeLineSchema>, { readonly type: "exchange" }>;
