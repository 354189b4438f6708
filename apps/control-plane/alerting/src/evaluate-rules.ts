import { isDrawbridgeError } from "@drawbridge/errors";
import { type Clock, type Component, createLoop } from "@drawbridge/lifecycle";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { RuleBook } from "./rules/rule-book.ts";
import { type Rule, ruleKey } from "./rules/rule-file.ts";
import { rulesInForce } from "./rules/rules-in-force.ts";
import { type FigureSources, readFigures } from "./sources/read-figures.ts";
import type { Incidents } from "./store/incidents.ts";
import type { RuleSets } from "./store/rule-sets.ts";

/** Of its interval: replicas' passes do not begin at the same moment. */
const turnShare = 0.9;
/** A source that does not answer keeps not every rule waiting. */
const atOnce = 4;

/**
 * Looks at every rule once per interval, whichever replica comes first. A rule whose figures cannot be read stays as it is:
 * what fires goes on firing, nothing is told.
 */
export function createRuleEvaluation(deps: {
  readonly book: Pick<RuleBook, "rules" | "refresh">;
  readonly ruleSets: Pick<RuleSets, "all">;
  readonly sources: FigureSources;
  readonly incidents: Pick<Incidents, "take" | "note" | "noteProblem" | "withdrawOthers">;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "counter">;
}): Component {
  const { book, ruleSets, sources, incidents, everyMs, clock, logger } = deps;
  const evaluations = deps.metrics.counter("evaluations", { description: "looks at rules, by outcome" });
  const failing = new Set<string>();
  let ofFileBefore: string | undefined;
  let unreadableBefore = "";

  async function look(rule: Rule, from: "file" | "applied", signal: AbortSignal): Promise<void> {
    if (!(await incidents.take(rule, { now: clock.now(), everyMs: everyMs * turnShare, from }))) return;
    const facts = { rule: rule.name, environment: rule.environment };
    try {
      const now = clock.now();
      const readings = await readFigures(sources, rule, { now, signal });
      const told = await incidents.note(rule, readings, now);
      evaluations.add(1, { outcome: "ok" });
      if (told > 0) logger.info({ ...facts, notifications: told }, "there is something to tell");
      if (failing.delete(ruleKey(rule))) logger.info(facts, "the rule is looked at again");
    } catch (error) {
      if (signal.aborted) throw error;
      evaluations.add(1, { outcome: "failed" });
      // Once per outage: the next looks say the same.
      if (!failing.has(ruleKey(rule)))
        logger.warn({ err: error, ...facts }, "the rule cannot be looked at, it stays as it is");
      failing.add(ruleKey(rule));
      await incidents.noteProblem(rule, problemOf(error));
    }
  }

  async function appliedRules(): Promise<readonly Rule[]> {
    const { rules, unreadable } = await ruleSets.all();
    const names = unreadable.join();
    if (names !== "") evaluations.add(unreadable.length, { outcome: "unreadable" });
    // Once, not with every pass.
    if (names !== "" && names !== unreadableBefore)
      logger.error(
        { environments: unreadable },
        "applied rules of a newer version cannot be read: nobody looks at them",
      );
    unreadableBefore = names;
    return rules;
  }

  return createLoop({
    name: "rules",
    clock,
    intervalMs: everyMs,
    pass: async (signal) => {
      book.refresh();
      const ofFile = book.rules().map(ruleKey);
      if (ofFile.join(" ") !== ofFileBefore) await incidents.withdrawOthers({ ofFile, now: clock.now() });
      ofFileBefore = ofFile.join(" ");
      const waiting = rulesInForce(book.rules(), await appliedRules()).values();
      const work = async (): Promise<void> => {
        for (const rule of waiting) await look(rule, ofFile.includes(ruleKey(rule)) ? "file" : "applied", signal);
      };
      await Promise.all(Array.from({ length: atOnce }, work));
    },
    onError: (error) => logger.warn({ err: error, component: "rules" }, "pass broke off, will run again"),
  });
}

/** For people who may see the rule: what other services say of a refusal is meant for callers. */
function problemOf(error: unknown): string {
  return isDrawbridgeError(error) ? `${error.message} (${error.code})` : "its figures cannot be read";
}
