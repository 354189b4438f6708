import { alertRuleFromMessage, alertRuleSchema } from "@drawbridge/alert-rules";
import {
  type Alert,
  AlertState,
  type Delivery,
  RuleState,
  type RuleStatus,
  type Silence,
} from "@drawbridge/contracts/alerting/v1/alert_service";
import type { z } from "zod";
import type { alertRuleStatusSchema, alertSchema, alertsQuery, silenceSchema } from "../schemas/alert.ts";
import { instantOrNull, required, requiredInstant } from "./values.ts";

const { ALERT_STATE_PENDING, ALERT_STATE_FIRING, ALERT_STATE_RESOLVED, ALERT_STATE_WITHDRAWN } = AlertState;

/** What a question for alerts names. */
export const askedStates = {
  open: [ALERT_STATE_PENDING, ALERT_STATE_FIRING],
  pending: [ALERT_STATE_PENDING],
  firing: [ALERT_STATE_FIRING],
  ended: [ALERT_STATE_RESOLVED, ALERT_STATE_WITHDRAWN],
  all: [ALERT_STATE_PENDING, ALERT_STATE_FIRING, ALERT_STATE_RESOLVED, ALERT_STATE_WITHDRAWN],
} as const satisfies Record<z.output<typeof alertsQuery>["state"], readonly AlertState[]>;

const alertStates = {
  [ALERT_STATE_PENDING]: "pending",
  [ALERT_STATE_FIRING]: "firing",
  [ALERT_STATE_RESOLVED]: "resolved",
  [ALERT_STATE_WITHDRAWN]: "withdrawn",
} as const;

const ruleStates = {
  [RuleState.RULE_STATE_OK]: "ok",
  [RuleState.RULE_STATE_PENDING]: "pending",
  [RuleState.RULE_STATE_FIRING]: "firing",
  [RuleState.RULE_STATE_NO_DATA]: "no data",
  [RuleState.RULE_STATE_UNKNOWN]: "unknown",
} as const;

export function alertToJson(alert: Alert): z.output<typeof alertSchema> {
  const { incidentId, environment, rule, figure, bound, value, summary } = alert;
  return {
    incidentId,
    environment,
    rule,
    series: textOrNull(alert.series),
    state: required("state", named(alertStates, alert.state)),
    figure,
    bound,
    value,
    summary,
    since: requiredInstant("since", alert.since),
    firedAt: instantOrNull(alert.firedAt),
    endedAt: instantOrNull(alert.endedAt),
    silenceId: textOrNull(alert.silenceId),
    deliveries: alert.deliveries.map(deliveryToJson),
  };
}

function deliveryToJson({ receiver, kind, state, attempts, problem }: Delivery) {
  return {
    receiver,
    kind: kind === "firing" ? ("firing" as const) : ("resolved" as const),
    state: (["delivered", "given up"] as const).find((ended) => ended === state) ?? ("waiting" as const),
    attempts,
    problem: textOrNull(problem),
  };
}

export function alertRuleToJson(status: RuleStatus): z.output<typeof alertRuleStatusSchema> {
  const definition = alertRuleSchema.parse(alertRuleFromMessage(required("rule", status.rule)));
  return {
    name: definition.name,
    source: status.isOfFile ? "file" : "applied",
    state: named(ruleStates, status.state) ?? "unknown",
    since: instantOrNull(status.since),
    value: status.value ?? null,
    evaluatedAt: instantOrNull(status.evaluatedAt),
    succeededAt: instantOrNull(status.succeededAt),
    problem: textOrNull(status.problem),
    firing: status.firing,
    pending: status.pending,
    silenceId: textOrNull(status.silenceId),
    definition,
    series: status.series,
  };
}

export function silenceToJson(given: Silence | undefined): z.output<typeof silenceSchema> {
  const silence = required("silence", given);
  return {
    silenceId: silence.silenceId,
    environment: silence.environment,
    rule: textOrNull(silence.rule),
    series: textOrNull(silence.series),
    reason: silence.reason,
    createdAt: requiredInstant("createdAt", silence.createdAt),
    createdBy: silence.createdBy,
    until: requiredInstant("until", silence.until),
    endedAt: instantOrNull(silence.endedAt),
    endedBy: textOrNull(silence.endedBy),
  };
}

export function textOrNull(text: string): string | null {
  return text === "" ? null : text;
}

/** undefined for a state that is newer than we are. */
function named<T>(names: Readonly<Record<number, T>>, state: number): T | undefined {
  return names[state];
}
