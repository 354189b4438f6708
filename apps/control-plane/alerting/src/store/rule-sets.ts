import { type AlertRule, alertRulesSchema } from "@drawbridge/alert-rules";
import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import { type Rule, ruleKey } from "../rules/rule-file.ts";
import type { AlertingDatabase } from "./database.ts";
import { lockRuleSet, withdrawOthers } from "./incidents.ts";

export interface RuleSet {
  readonly environment: string;
  /** 0: none was applied. */
  readonly version: number;
  readonly rules: readonly AlertRule[];
  readonly applied: { readonly at: Date; readonly by: string } | undefined;
}

export interface RuleChange {
  readonly version: number;
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export interface RuleSets {
  read(environment: string): Promise<RuleSet>;
  /** The rules in force of every environment. */
  all(): Promise<readonly Rule[]>;
  /**
   * Replace the rules of an environment. The same again changes nothing.
   * @throws DrawbridgeError `ALERT_RULES_CHANGED` (aborted): the version is another than `baseVersion`
   */
  apply(change: {
    readonly environment: string;
    readonly rules: readonly AlertRule[];
    readonly baseVersion: number | undefined;
    readonly mode: "apply" | "check";
    readonly by: string;
    readonly now: Date;
    readonly ofFile: readonly Rule[];
  }): Promise<RuleChange>;
}

/** So many versions of an environment are kept. */
const keptVersions = 50;

export function createRuleSets(store: Pick<Store<AlertingDatabase>, "db" | "transaction">): RuleSets {
  return {
    read: (environment) => readCurrent(store.db, environment),

    all: async () => {
      const { rows } = await sql<{ environment: string; rules: unknown }>`
        SELECT DISTINCT ON (environment) environment, rules FROM rule_set ORDER BY environment, version DESC
      `.execute(store.db);
      return rows.flatMap(({ environment, rules }) =>
        alertRulesSchema.parse(rules).map((rule) => Object.assign(rule, { environment })),
      );
    },

    apply: ({ environment, rules, baseVersion, mode, by, now, ofFile }) =>
      store.transaction(async (tx) => {
        await lockRuleSet(tx, environment, "alone");
        const before = await readCurrent(tx, environment);
        if (baseVersion !== undefined && baseVersion !== before.version) throw rulesChanged(before.version);
        const change = changeOf(before.rules, rules);
        const isSame = change.added.length + change.changed.length + change.removed.length === 0;
        if (mode === "check" || isSame) return { version: before.version, ...change };
        const version = before.version + 1;
        await tx
          .insertInto("rule_set")
          .values({ environment, version, rules: JSON.stringify(rules), applied_at: now, applied_by: by })
          .execute();
        await tx
          .deleteFrom("rule_set")
          .where("environment", "=", environment)
          .where("version", "<=", version - keptVersions)
          .execute();
        await withdrawOthers(tx, { ofFile: ofFile.map(ruleKey), now });
        return { version, ...change };
      }),
  };
}

async function readCurrent(db: Store<AlertingDatabase>["db"], environment: string): Promise<RuleSet> {
  const row = await db
    .selectFrom("rule_set")
    .selectAll()
    .where("environment", "=", environment)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row) return { environment, version: 0, rules: [], applied: undefined };
  const applied = { at: row.applied_at, by: row.applied_by };
  return { environment, version: row.version, rules: alertRulesSchema.parse(row.rules), applied };
}

function changeOf(before: readonly AlertRule[], after: readonly AlertRule[]): Omit<RuleChange, "version"> {
  const was = new Map(before.map((rule) => [rule.name, textOf(rule)]));
  const is = new Map(after.map((rule) => [rule.name, textOf(rule)]));
  return {
    added: [...is.keys()].filter((name) => !was.has(name)),
    changed: [...is].flatMap(([name, text]) => (was.has(name) && was.get(name) !== text ? [name] : [])),
    removed: [...was.keys()].filter((name) => !is.has(name)),
  };
}

/** The same rule is the same text: jsonb does not keep the order of members. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => a.localeCompare(b)))
      : member,
  );
}

function rulesChanged(version: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "aborted",
    code: "ALERT_RULES_CHANGED",
    message: `somebody applied rules in the meantime, the version is ${version} now: read them again`,
    details: { version: String(version) },
  });
}
