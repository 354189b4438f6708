import { type AlertRule, alertNameSchema, alertRuleFromMessage, alertRulesSchema } from "@drawbridge/alert-rules";
import type {
  AlertRule as AlertRuleMessage,
  CreateSilenceRequest,
} from "@drawbridge/contracts/alerting/v1/alert_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";
import { z } from "zod";
import { type Receiver, receiverProblems, type Rule, ruleKey } from "../rules/rule-file.ts";
import type { Silence } from "../store/silences.ts";

interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

const shown = 20;
const longestSilenceMs = 366 * 86_400_000;
const withoutControl = /^[^\p{Cc}]*$/u;

/**
 * The rules of an environment, as they may be applied.
 * @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument), which names each field
 */
export function rulesFromMessages(
  messages: readonly AlertRuleMessage[],
  context: {
    readonly environment: string;
    readonly receivers: readonly Receiver[];
    readonly ofFile: readonly Rule[];
    /** Why a rule cannot be looked at in this installation; undefined if it can. */
    readonly unknownFigure: (rule: AlertRule) => string | undefined;
  },
): readonly AlertRule[] {
  const { environment, receivers, ofFile, unknownFigure } = context;
  assertEnvironment(environment);
  const read = alertRulesSchema.safeParse(messages.map(alertRuleFromMessage));
  if (!read.success) {
    const problems = read.error.issues.map(({ path, message }) => ({ field: ["rules", ...path].join("."), message }));
    throw invalid("ALERT_RULES_INVALID", problems);
  }
  const reserved = new Set(ofFile.map(ruleKey));
  const rules = read.data.map((rule) => ({ ...rule, environment }));
  const problems = [
    ...receiverProblems(receivers, rules).map(({ place, message }) => ({ field: `rules.${place}.receivers`, message })),
    ...rules.flatMap((rule, place) => {
      const message = unknownFigure(rule);
      return message === undefined ? [] : [{ field: `rules.${place}`, message }];
    }),
    ...rules.flatMap((rule, place) =>
      reserved.has(ruleKey(rule))
        ? [{ field: `rules.${place}.name`, message: "is a rule of the operator's file, which comes first" }]
        : [],
    ),
  ];
  if (problems.length > 0) throw invalid("ALERT_RULES_INVALID", problems);
  return read.data;
}

/** @throws DrawbridgeError `ALERT_SILENCE_INVALID` (invalid_argument), which names the field */
export function silenceFromMessage(request: CreateSilenceRequest, now: Date): Omit<Silence, "ended"> {
  const { requestId: silenceId, environment, rule, series, until, reason, requestedBy: createdBy } = request;
  const aheadMs = (until?.getTime() ?? Number.NaN) - now.getTime();
  const isSeries = series.length <= 1_000 && withoutControl.test(series);
  const isReason = reason.trim() !== "" && reason.length <= 500 && withoutControl.test(reason);
  const isWho = createdBy !== "" && createdBy.length <= 200;
  const checks: readonly (FieldProblem & { readonly isGood: boolean })[] = [
    { field: "requestId", isGood: z.uuid().safeParse(silenceId).success, message: "must be a UUID" },
    { field: "environment", isGood: isName(environment), message: "must be the name of an environment" },
    { field: "rule", isGood: rule === "" || isName(rule), message: "must be the name of a rule" },
    { field: "series", isGood: series === "" || rule !== "", message: "needs a rule" },
    { field: "series", isGood: isSeries, message: "must have at most 1000 characters, none of control" },
    { field: "reason", isGood: isReason, message: "must be 1 to 500 characters, none of control" },
    { field: "requestedBy", isGood: isWho, message: "must be 1 to 200 characters" },
    {
      field: "until",
      isGood: aheadMs > 0 && aheadMs <= longestSilenceMs,
      message: "must be in the future, at most 366 days from now",
    },
  ];
  const problems = checks.filter(({ isGood }) => !isGood);
  if (problems.length > 0 || until === undefined) throw invalid("ALERT_SILENCE_INVALID", problems);
  return { silenceId, environment, rule, series, reason, createdAt: now, createdBy, until };
}

/** @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument) */
export function assertEnvironment(environment: string): void {
  if (isName(environment)) return;
  throw invalid("ALERT_RULES_INVALID", [{ field: "environment", message: "must be the name of an environment" }]);
}

function isName(text: string): boolean {
  return alertNameSchema.safeParse(text).success;
}

function invalid(
  code: "ALERT_RULES_INVALID" | "ALERT_SILENCE_INVALID",
  problems: readonly FieldProblem[],
): DrawbridgeError {
  const [first] = problems;
  return new DrawbridgeError({
    kind: "invalid_argument",
    code,
    message: first ? `${first.field}: ${first.message}` : "is not valid",
    details: Object.fromEntries(problems.slice(0, shown).map(({ field, message }) => [fieldDetail(field), message])),
  });
}
