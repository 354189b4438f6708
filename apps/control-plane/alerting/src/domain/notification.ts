import { boundText } from "@drawbridge/alert-rules";
import { figureOf, type Rule } from "../rules/rule-file.ts";
import type { Transition } from "./next-state.ts";

/** What a receiver is told. The same each time that it is sent. */
export interface NotificationContent {
  readonly notificationId: string;
  /** Names the incident: of one there is one "firing" and one "resolved". */
  readonly incidentId: string;
  readonly kind: "firing" | "resolved" | "test";
  readonly rule: string;
  readonly environment: string;
  /** "api=orders"; empty for the only one of its rule. */
  readonly series: string;
  readonly figure: string;
  /** "above 0.05" */
  readonly bound: string;
  /** When it was seen beyond its bound last. */
  readonly value: number;
  /** ISO 8601. */
  readonly since: string;
  readonly at: string;
  readonly summary: string;
}

/** undefined: a transition that there is nothing to tell of. */
export function contentOf(
  rule: Rule,
  { before, after, news }: Transition,
  { now, notificationId }: { readonly now: Date; readonly notificationId: string },
): NotificationContent | undefined {
  const state = after ?? before;
  if (news === undefined || state === undefined) return undefined;
  return {
    notificationId,
    incidentId: state.incidentId,
    kind: news,
    rule: rule.name,
    environment: rule.environment,
    series: state.series,
    figure: figureOf(rule),
    bound: boundText(rule),
    value: state.value,
    since: state.since.toISOString(),
    at: now.toISOString(),
    summary: rule.summary,
  };
}

/** What a receiver is told that somebody tests. */
export function testContent(test: {
  readonly environment: string;
  readonly requestedBy: string;
  readonly notificationId: string;
  readonly incidentId: string;
  readonly now: Date;
}): NotificationContent {
  const { environment, requestedBy, notificationId, incidentId } = test;
  const at = test.now.toISOString();
  const summary = `${requestedBy} tests whether you can be told. Nothing is wrong.`;
  const nothing = { rule: "test", series: "", figure: "test", bound: "above 0", value: 1 };
  return { notificationId, incidentId, kind: "test", environment, ...nothing, since: at, at, summary };
}

/** One line for people. */
export function subjectOf({ kind, rule, environment, series }: NotificationContent): string {
  return `[${kind}] ${rule} in ${environment}${series === "" ? "" : ` (${series})`}`;
}

export function textOf(content: NotificationContent): string {
  const { summary, figure, bound, value, since, incidentId } = content;
  return [
    subjectOf(content),
    ...(summary === "" ? [] : ["", summary]),
    "",
    `${figure} is to be told when it is ${bound}; it was ${value}, so since ${since}.`,
    `Incident ${incidentId}`,
    "",
  ].join("\n");
}
