import type { RuleBook } from "../rules/rule-book.ts";
import { receiverProblems, ruleKey } from "../rules/rule-file.ts";
import { rulesInForce } from "../rules/rules-in-force.ts";
import type { Alerts } from "../store/alerts.ts";
import type { RuleSet, RuleSets } from "../store/rule-sets.ts";
import type { Silence, Silences } from "../store/silences.ts";
import type { RuleStanding } from "./alert-messages.ts";

/** The rules of an environment with what is known of each. */
export async function ruleStandings(
  deps: {
    readonly book: Pick<RuleBook, "rules" | "receivers">;
    readonly ruleSets: Pick<RuleSets, "read">;
    readonly alerts: Pick<Alerts, "open" | "ruleStates">;
    readonly silences: Pick<Silences, "list">;
  },
  environment: string,
  now: Date,
): Promise<{ readonly set: RuleSet; readonly rules: readonly RuleStanding[] }> {
  const { book, ruleSets, alerts, silences } = deps;
  const [set, seen, open, inForce] = await Promise.all([
    ruleSets.read(environment),
    alerts.ruleStates(environment),
    alerts.open(environment),
    silences.list(environment, { now, which: "in force" }),
  ]);
  const ofFile = book.rules().filter((rule) => rule.environment === environment);
  const applied = set.rules.map((rule) => ({ ...rule, environment }));
  const reserved = new Set(ofFile.map(ruleKey));
  const rules = rulesInForce(ofFile, applied).map((rule) => ({
    rule,
    isOfFile: reserved.has(ruleKey(rule)),
    seen: seen.get(rule.name),
    open: open.get(rule.name),
    silenceId: silencing(inForce, rule.name, ""),
    receiverProblem: receiverProblems(book.receivers(), [rule])[0]?.message ?? "",
  }));
  return { set, rules: rules.toSorted((a, b) => a.rule.name.localeCompare(b.rule.name)) };
}

/** Id of the one that holds longest, of those that are about it; empty for none. */
export function silencing(inForce: readonly Silence[], rule: string, series: string): string {
  const about = inForce.filter(
    (one) => (one.rule === "" || one.rule === rule) && (one.series === "" || one.series === series),
  );
  return about.toSorted((a, b) => b.until.getTime() - a.until.getTime())[0]?.silenceId ?? "";
}
