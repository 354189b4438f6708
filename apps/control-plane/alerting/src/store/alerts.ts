import { sql, type Store } from "@drawbridge/store";
import type { AlertingDatabase } from "./database.ts";

export type AlertRow = AlertingDatabase["incident"];
export type AlertState = AlertRow["state"];

export interface AlertDelivery {
  readonly receiver: string;
  readonly kind: "firing" | "resolved";
  readonly state: "waiting" | "delivered" | "given up";
  readonly attempts: number;
  readonly problem: string;
}

export interface RuleStateRow {
  readonly rule: string;
  readonly evaluatedAt: Date;
  readonly succeededAt: Date | undefined;
  readonly problem: string;
  readonly readings: readonly { readonly series: string; readonly value: number }[];
}

/** How things stand, to be shown. */
export interface Alerts {
  /** Newest first, from before `before`, one more than `limit` if there are more. */
  list(of: {
    readonly environments: readonly string[];
    readonly states: readonly AlertState[];
    readonly rule: string | undefined;
    readonly before: string | undefined;
    readonly limit: number;
  }): Promise<readonly AlertRow[]>;
  deliveries(incidents: readonly string[]): Promise<ReadonlyMap<string, readonly AlertDelivery[]>>;
  /** By rule: how many fire, how many are pending, since when. */
  open(
    environment: string,
  ): Promise<ReadonlyMap<string, { readonly firing: number; readonly pending: number; readonly since: Date }>>;
  ruleStates(environment: string): Promise<ReadonlyMap<string, RuleStateRow>>;
}

export function createAlerts({ db }: Pick<Store<AlertingDatabase>, "db">): Alerts {
  return {
    list: ({ environments, states, rule, before, limit }) => {
      let query = db
        .selectFrom("incident")
        .selectAll()
        .where("environment", "in", [...environments])
        .where("state", "in", [...states]);
      if (rule !== undefined) query = query.where("rule", "=", rule);
      if (before !== undefined) query = query.where("incident_id", "<", before);
      return query
        .orderBy("incident_id", "desc")
        .limit(limit + 1)
        .execute();
    },

    deliveries: async (incidents) => {
      const found = new Map<string, AlertDelivery[]>();
      if (incidents.length === 0) return found;
      const rows = await db
        .selectFrom("notification")
        .select(["incident_id", "receiver", "kind", "state", "attempts", "last_problem"])
        .where("incident_id", "in", [...incidents])
        .orderBy("created_at")
        .orderBy("receiver")
        .execute();
      for (const { incident_id: incident, last_problem: problem, ...rest } of rows) {
        const of = found.get(incident) ?? [];
        of.push({ ...rest, problem });
        found.set(incident, of);
      }
      return found;
    },

    open: async (environment) => {
      const { rows } = await sql<{ rule: string; firing: number; pending: number; since: Date }>`
        SELECT rule, (count(*) FILTER (WHERE state = 'firing'))::int AS firing,
          (count(*) FILTER (WHERE state = 'pending'))::int AS pending, min(since) AS since
        FROM incident WHERE environment = ${environment} AND state IN ('pending', 'firing') GROUP BY rule
      `.execute(db);
      return new Map(rows.map(({ rule, ...rest }) => [rule, rest]));
    },

    ruleStates: async (environment) => {
      const rows = await db.selectFrom("rule_state").selectAll().where("environment", "=", environment).execute();
      return new Map(
        rows.map(({ rule, evaluated_at: evaluatedAt, succeeded_at: succeededAt, problem, readings }) => [
          rule,
          { rule, evaluatedAt, succeededAt: succeededAt ?? undefined, problem, readings },
        ]),
      );
    },
  };
}
