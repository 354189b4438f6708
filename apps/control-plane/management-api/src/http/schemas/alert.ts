import { alertRuleFields, alertRulesSchema } from "@drawbridge/alert-rules";
import { z } from "zod";
import {
  environmentName,
  flag,
  instant,
  listOf,
  nameText,
  nullableInstant,
  pageSize,
  pageToken,
  plainText,
  wholeNumber,
} from "./common.ts";

const ruleName = nameText("Name of an alert rule.");
const seriesText = plainText(1_000).meta({ description: 'What a figure is of: "api=orders".' });

export const alertsQuery = z.strictObject({
  environment: environmentName.optional(),
  rule: ruleName.optional(),
  state: z
    .enum(["open", "pending", "firing", "ended", "all"], "must be open, pending, firing, ended or all")
    .default("open")
    .meta({ description: "open: pending and firing; ended: resolved, or withdrawn with their rule, for 30 days." }),
  limit: pageSize,
  pageToken,
});

const deliverySchema = z
  .object({
    receiver: z.string(),
    kind: z.enum(["firing", "resolved"]),
    state: z.enum(["waiting", "delivered", "given up"]),
    attempts: z.int(),
    problem: z.string().nullable().meta({ description: "Why it is not delivered." }),
  })
  .meta({ id: "AlertDelivery", description: "A notification to one receiver." });

export const alertSchema = z
  .object({
    incidentId: z.string().meta({ description: "The same as in its notifications." }),
    environment: z.string(),
    rule: z.string(),
    series: z
      .string()
      .nullable()
      .meta({ description: 'What its figure is of: "api=orders"; null: the only one of its rule.' }),
    state: z.enum(["pending", "firing", "resolved", "withdrawn"]),
    figure: z.string(),
    bound: z.string().meta({ description: '"above 0.05"' }),
    value: z.number().meta({ description: "When it was seen beyond its bound last." }),
    summary: z.string(),
    since: instant("Since when it is, or was, beyond its bound."),
    firedAt: nullableInstant("Since when it fires; null while it is pending."),
    endedAt: nullableInstant("When it was over."),
    silenceId: z.string().nullable().meta({ description: "A silence of it that is in force." }),
    deliveries: z.array(deliverySchema).meta({ description: "Who is told, and what became of it." }),
  })
  .meta({ id: "Alert", description: "A series that is or was beyond the bound of a rule." });

export const alertList = listOf(alertSchema, "Alerts, newest first.");

const definition = z
  .object(alertRuleFields)
  .meta({ id: "AlertRuleDefinition", description: "What is looked at, and when who is told." });

export const alertRuleStatusSchema = z
  .object({
    name: z.string(),
    source: z
      .enum(["file", "applied"])
      .meta({ description: "file: of the operator's file, which nobody changes here." }),
    state: z.enum(["ok", "pending", "firing", "no data", "unknown"]).meta({
      description: "By the last look that succeeded; unknown: nobody has looked at it yet.",
    }),
    since: nullableInstant("Since when something of it is beyond its bound."),
    value: z
      .number()
      .nullable()
      .meta({ description: "The last figure; of several the one farthest beyond the bound." }),
    evaluatedAt: nullableInstant("The last look."),
    succeededAt: nullableInstant("The last look that could read its figures."),
    problem: z
      .string()
      .nullable()
      .meta({ description: "Why its figures cannot be read, or who of its receivers is gone." }),
    firing: z.int().meta({ description: "Series that fire." }),
    pending: z.int().meta({ description: "Series beyond the bound, not long enough yet." }),
    silenceId: z.string().nullable().meta({ description: "A silence of the whole rule that is in force." }),
    definition,
    series: z
      .array(z.object({ series: z.string(), value: z.number() }))
      .meta({ description: "The figures of the last look, 100 at most; empty in a list." }),
  })
  .meta({ id: "AlertRule", description: "An alert rule, and how it stands." });

export const alertRuleList = z
  .object({
    environment: z.string(),
    version: z.int().meta({ description: "Of the applied rules; 0: none were applied." }),
    appliedAt: nullableInstant("When that was."),
    appliedBy: z.string().nullable(),
    fileProblem: z.string().nullable().meta({
      description: "What is wrong with the operator's file since it was changed; the one before is in force.",
    }),
    items: z.array(alertRuleStatusSchema),
  })
  .meta({ id: "AlertRuleList", description: "The rules of an environment, by name." });

export const alertRulesBody = z.strictObject({
  rules: alertRulesSchema.meta({ description: "All of them: those that are not here are taken away." }),
  baseVersion: z.int().min(0).optional().meta({ description: "Refuse if the version is another one by now." }),
  dryRun: z.boolean().default(false).meta({ description: "Check only." }),
});

const names = z.array(z.string());
export const alertRuleChangeSchema = z
  .object({
    environment: z.string(),
    version: z.int().meta({ description: "Of the applied rules, as it is now." }),
    dryRun: z.boolean(),
    added: names,
    changed: names,
    removed: names,
  })
  .meta({ id: "AlertRuleChange", description: "What became, or would become, of the rules." });

export const silencesQuery = z.strictObject({ ended: flag("Also those that have ended, for 30 days.") });

export const silenceBody = z
  .strictObject({
    rule: ruleName.optional().meta({ description: "Of this rule; every rule of the environment without it." }),
    series: seriesText.min(1).optional().meta({ description: "Of this series of the rule; all without it." }),
    durationSeconds: wholeNumber(60, 31_622_400, "How long, from now on: a minute to 366 days."),
    reason: plainText(500).min(1).meta({ description: "Why, for those who wonder." }),
  })
  .refine(({ rule, series }) => series === undefined || rule !== undefined, {
    path: ["series"],
    message: "needs a rule",
  });

export const silenceSchema = z
  .object({
    silenceId: z.string(),
    environment: z.string(),
    rule: z.string().nullable().meta({ description: "null: every rule." }),
    series: z.string().nullable().meta({ description: "null: every series." }),
    reason: z.string(),
    createdAt: instant("From when."),
    createdBy: z.string(),
    until: instant("Until when, unless somebody ends it before."),
    endedAt: nullableInstant("When somebody ended it."),
    endedBy: z.string().nullable(),
  })
  .meta({ id: "AlertSilence", description: "Nobody is told of some alerts for a while." });

export const silenceList = listOf(silenceSchema, "Silences, newest first.");

export const receiverList = listOf(
  z
    .object({
      name: z.string(),
      kind: z.enum(["webhook", "email"]),
      target: z.string().meta({ description: "Host of a webhook; how many addresses a mail has." }),
    })
    .meta({ id: "AlertReceiver", description: "Somebody whom rules of the environment may have told." }),
  "Receivers, by name.",
);

export const receiverTestSchema = z
  .object({
    receiver: z.string(),
    delivered: z.boolean(),
    problem: z.string().nullable().meta({ description: "Why it was not delivered." }),
    tookMs: z.int(),
  })
  .meta({ id: "AlertReceiverTest", description: "What came of a test." });
