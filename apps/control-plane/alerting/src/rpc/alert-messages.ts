import { alertRuleToMessage } from "@drawbridge/alert-rules";
import {
  type Alert,
  AlertState,
  type Receiver as ReceiverMessage,
  RuleState,
  type RuleStatus,
  type Silence as SilenceMessage,
} from "@drawbridge/contracts/alerting/v1/alert_service";
import type { Receiver, Rule } from "../rules/rule-file.ts";
import type { AlertDelivery, AlertRow, RuleStateRow } from "../store/alerts.ts";
import type { Silence } from "../store/silences.ts";

export const alertStates = {
  pending: AlertState.ALERT_STATE_PENDING,
  firing: AlertState.ALERT_STATE_FIRING,
  resolved: AlertState.ALERT_STATE_RESOLVED,
  withdrawn: AlertState.ALERT_STATE_WITHDRAWN,
} as const satisfies Record<AlertRow["state"], AlertState>;

export function alertToMessage(
  row: AlertRow,
  beside: { readonly deliveries: readonly AlertDelivery[]; readonly silenceId: string },
): Alert {
  return {
    incidentId: row.incident_id,
    environment: row.environment,
    rule: row.rule,
    series: row.series,
    state: alertStates[row.state],
    figure: row.figure,
    bound: row.bound,
    value: row.value,
    summary: row.summary,
    since: row.since,
    firedAt: row.fired_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    silenceId: beside.silenceId,
    deliveries: [...beside.deliveries],
  };
}

export function silenceToMessage({ ended, ...silence }: Silence): SilenceMessage {
  return { ...silence, endedAt: ended?.at, endedBy: ended?.by ?? "" };
}

export interface RuleStanding {
  readonly rule: Rule;
  readonly isOfFile: boolean;
  /** undefined: nobody has looked at it yet. */
  readonly seen: RuleStateRow | undefined;
  readonly open: { readonly firing: number; readonly pending: number; readonly since: Date } | undefined;
  readonly silenceId: string;
  /** What is wrong with its receivers. */
  readonly receiverProblem: string;
}

export function ruleStatusOf(standing: RuleStanding, shows: "summary" | "series"): RuleStatus {
  const { rule, isOfFile, seen, open, silenceId, receiverProblem } = standing;
  const { firing = 0, pending = 0 } = open ?? {};
  return {
    rule: alertRuleToMessage(rule),
    isOfFile,
    state: stateOf(standing),
    since: open?.since,
    value: seen?.readings[0]?.value,
    evaluatedAt: seen?.evaluatedAt,
    succeededAt: seen?.succeededAt,
    problem: [seen?.problem ?? "", receiverProblem].filter((text) => text !== "").join("; "),
    firing,
    pending,
    silenceId,
    series: shows === "series" ? [...(seen?.readings ?? [])] : [],
  };
}

function stateOf({ seen, open }: RuleStanding): RuleState {
  if (open !== undefined && open.firing > 0) return RuleState.RULE_STATE_FIRING;
  if (open !== undefined && open.pending > 0) return RuleState.RULE_STATE_PENDING;
  if (seen?.succeededAt === undefined) return RuleState.RULE_STATE_UNKNOWN;
  return seen.readings.length === 0 ? RuleState.RULE_STATE_NO_DATA : RuleState.RULE_STATE_OK;
}

/** Where it leads, as far as that is no secret: webhooks of some services carry theirs in the path. */
export function receiverToMessage(receiver: Receiver): ReceiverMessage {
  const { name } = receiver;
  if ("webhook" in receiver) return { name, kind: "webhook", target: new URL(receiver.webhook.url).host };
  const { length } = receiver.email.to;
  return { name, kind: "email", target: length === 1 ? "1 address" : `${length} addresses` };
}
