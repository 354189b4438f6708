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

export interface AppliedRules {
  readonly rules: readonly Rule[];
  /** Environments whose rules a newer version of this service has written, before it was put back to this one. */
  readonly unreadable: readonly string[];
}

export interface RuleSets {
  /** @throws DrawbridgeError `ALERT_RULES_UNREADABLE` (failed_precondition): a newer version has written them */
  read(environment: string): Promise<RuleSet>;
  /** The rules in force of every environment. */
  all(): Promise<AppliedRules>;
  /**
   * Replace the rules of an environment, also those that cannot be read. The same again changes nothing.
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
    read: async (environment) => {
      const { rules, ...set } = await readCurrent(store.db, environment);
      if (rules === undefined) throw rulesUnreadable(set);
      return { ...set, rules };
    },

    all: async () => {
      const { rows } = await sql<{ environment: string; rules: unknown }>`
        SELECT DISTINCT ON (environment) environment, rules FROM rule_set ORDER BY environment, version DESC
      `.execute(store.db);
      const sets = rows.map(({ environment, rules }) => ({ environment, parsed: alertRulesSchema.safeParse(rules) }));
      return {
        rules: sets.flatMap(({ environment, parsed }) =>
          (parsed.data ?? []).map((rule) => Object.assign(rule, { environment })),
        ),
        unreadable: sets.filter(({ parsed }) => !parsed.success).map(({ environment }) => environment),
      };
    },

    apply: ({ environment, rules, baseVersion, mode, by, now, ofFile }) =>
      store.transaction(async (tx) => {
        await lockRuleSet(tx, environment, "alone");
        const before = await readCurrent(tx, environment);
        if (baseVersion !== undefined && baseVersion !== before.version) throw rulesChanged(before.version);
        const change = changeOf(before.rules ?? [], rules);
        const changes = change.added.length + change.changed.length + change.removed.length;
        const isSame = changes === 0 && before.rules !== undefined;
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

/** Rules are undefined where they cannot be read. */
type StoredRuleSet = Omit<RuleSet, "rules"> & { readonly rules: RuleSet["rules"] | undefined };

async function readCurrent(db: Store<AlertingDatabase>["db"], environment: string): Promise<StoredRuleSet> {
  const row = await db
    .selectFrom("rule_set")
    .selectAll()
    .where("environment", "=", environment)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row) return { environment, version: 0, rules: [], applied: undefined };
  const applied = { at: row.applied_at, by: row.applied_by };
  return { environment, version: row.version, rules: alertRulesSchema.safeParse(row.rules).data, applied };
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

function rulesUnreadable({ environment, version }: Pick<RuleSet, "environment" | "version">): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ALERT_RULES_UNREADABLE",
    message: `version ${version} of the alert rules of "${environment}" was written by a newer Drawbridge: upgrade alerting again, or apply the rules anew`,
    details: { environment, version: String(version) },
  });
}

function rulesChanged(version: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "aborted",
    code: "ALERT_RULES_CHANGED",
    message: `somebody applied rules in the meantime, the version is ${version} now: read them again`,
    details: { version: String(version) },
  });
}
