import { boundText } from "@drawbridge/alert-rules";
import { sql, type Store, type Transaction } from "@drawbridge/store";
import { mostNotable, nextStates, type Reading, type Transition } from "../domain/next-state.ts";
import { contentOf } from "../domain/notification.ts";
import { figureOf, type Rule } from "../rules/rule-file.ts";
import type { AlertingDatabase } from "./database.ts";
import { silencesOf } from "./silences.ts";

export interface Incidents {
  /** Take the turn of a rule. False: another replica had it less than `everyMs` ago, or it is applied no more. */
  take(
    rule: Rule,
    turn: { readonly now: Date; readonly everyMs: number; readonly from: "file" | "applied" },
  ): Promise<boolean>;
  /** What a rule's figures change, and what somebody is to be told of it, in one transaction. Answers how many it is. */
  note(rule: Rule, readings: readonly Reading[], now: Date): Promise<number>;
  /** Its figures could not be read. What fires goes on firing. */
  noteProblem(rule: Rule, problem: string): Promise<void>;
  /** Rules that are neither in the file nor applied any more end without a word. */
  withdrawOthers(others: { readonly ofFile: readonly string[]; readonly now: Date }): Promise<void>;
  /** Forget what was over before this time, and of an environment what is beyond the newest ten thousand. */
  forget(before: Date): Promise<void>;
}

type AnyTransaction = Transaction<AlertingDatabase>;

const keptReadings = 100;
const keptPerEnvironment = 10_000;
const problemCharacters = 300;

/** Invariant: of an incident each receiver is told once that it fires and once that it is over, however many replicas look. */
export function createIncidents(
  store: Pick<Store<AlertingDatabase>, "db" | "transaction">,
  newId: () => string,
): Incidents {
  return {
    take: ({ environment, name }, { now, everyMs, from }) =>
      store.transaction(async (tx) => {
        // Who applies rules holds it until what was removed is withdrawn: no turn is taken in between.
        await lockRuleSet(tx, environment, "shared");
        const before = new Date(now.getTime() - everyMs);
        // A clock that was ahead and was set right: nobody waits for its time to come.
        const late = new Date(now.getTime() + 60_000);
        const isApplied = sql`
          ${JSON.stringify([{ name }])}::jsonb <@ (
            SELECT rules FROM rule_set WHERE environment = ${environment} ORDER BY version DESC LIMIT 1
          )
        `;
        const { rows } = await sql`
          INSERT INTO rule_state (environment, rule, evaluated_at)
          SELECT ${environment}::text, ${name}::text, ${now}::timestamptz WHERE ${from === "file" ? sql`true` : isApplied}
          ON CONFLICT (environment, rule) DO UPDATE SET evaluated_at = excluded.evaluated_at
          WHERE rule_state.evaluated_at <= ${before} OR rule_state.evaluated_at > ${late} RETURNING rule
        `.execute(tx);
        return rows.length > 0;
      }),

    note: (rule, readings, now) =>
      store.transaction(async (tx) => {
        // The lock: of two replicas that look at once, the second goes on from what the first has written.
        const { rows } = await sql`
          SELECT FROM rule_state WHERE environment = ${rule.environment} AND rule = ${rule.name} FOR UPDATE
        `.execute(tx);
        if (rows.length === 0) return 0; // it was taken away while it was looked at
        const states = await openStates(tx, rule);
        const silences = await silencesOf(tx, rule, now);
        const isSilenced = (series: string) => silences.some((one) => one.series === "" || one.series === series);
        let told = 0;
        for (const transition of nextStates(rule, { states, readings, now, newId, isSilenced })) {
          await keep(tx, { rule, transition, now });
          told += await tell(tx, { rule, transition, now, newId });
        }
        await tx
          .updateTable("rule_state")
          .set({
            succeeded_at: now,
            problem: "",
            readings: JSON.stringify(mostNotable(readings, rule).slice(0, keptReadings)),
          })
          .where("environment", "=", rule.environment)
          .where("rule", "=", rule.name)
          .execute();
        return told;
      }),

    noteProblem: async ({ environment, name }, problem) => {
      await store.db
        .updateTable("rule_state")
        .set({ problem: problem.slice(0, problemCharacters) })
        .where("environment", "=", environment)
        .where("rule", "=", name)
        .execute();
    },

    withdrawOthers: (others) => store.transaction((tx) => withdrawOthers(tx, others)),

    forget: async (before) => {
      await store.db
        .deleteFrom("incident")
        .where("state", "in", ["resolved", "withdrawn"])
        .where("ended_at", "<", before)
        .execute();
      await sql`
        DELETE FROM incident WHERE incident_id IN (
          SELECT incident_id FROM (
            SELECT incident_id, row_number() OVER (PARTITION BY environment ORDER BY incident_id DESC) AS place
            FROM incident WHERE state IN ('resolved', 'withdrawn')
          ) AS ended WHERE place > ${keptPerEnvironment}
        )
      `.execute(store.db);
      await store.db.deleteFrom("silence").where("until", "<", before).execute();
    },
  };
}

/** Whoever changes the rules of an environment holds it alone, to the end of the transaction. */
export async function lockRuleSet(tx: AnyTransaction, environment: string, mode: "alone" | "shared"): Promise<void> {
  const key = sql`hashtextextended(${`rule_set/${environment}`}, 0)`;
  await (mode === "alone"
    ? sql`SELECT pg_advisory_xact_lock(${key})`.execute(tx)
    : sql`SELECT pg_advisory_xact_lock_shared(${key})`.execute(tx));
}

/** What is applied is asked of the table in the same statement, so that no replica withdraws what another has just applied. */
export async function withdrawOthers(
  tx: AnyTransaction,
  { ofFile, now }: { readonly ofFile: readonly string[]; readonly now: Date },
): Promise<void> {
  const known = sql`
    SELECT environment || '/' || (one ->> 'name') FROM (
      SELECT DISTINCT ON (environment) environment, rules FROM rule_set ORDER BY environment, version DESC
    ) AS current, jsonb_array_elements(rules) AS one
    UNION ALL SELECT unnest(${ofFile}::text[])
  `;
  const isOther = sql`environment || '/' || rule NOT IN (${known})`;
  await sql`DELETE FROM rule_state WHERE ${isOther}`.execute(tx);
  await sql`DELETE FROM incident WHERE state = 'pending' AND ${isOther}`.execute(tx);
  await sql`
    UPDATE incident SET state = 'withdrawn', ended_at = ${now} WHERE state = 'firing' AND ${isOther}
  `.execute(tx);
}

async function openStates(tx: AnyTransaction, { environment, name }: Rule) {
  const rows = await tx
    .selectFrom("incident")
    .selectAll()
    .where("environment", "=", environment)
    .where("rule", "=", name)
    .where("state", "in", ["pending", "firing"])
    .execute();
  return rows.map(({ incident_id: incidentId, series, state, since, fired_at: firedAt, told_at: toldAt, value }) => ({
    series,
    state: state === "pending" ? ("pending" as const) : ("firing" as const),
    since,
    firedAt: firedAt ?? undefined,
    toldAt: toldAt ?? undefined,
    incidentId,
    value,
  }));
}

async function keep(
  tx: AnyTransaction,
  { rule, transition, now }: { readonly rule: Rule; readonly transition: Transition; readonly now: Date },
): Promise<void> {
  const { before, after } = transition;
  if (after !== undefined) {
    const { incidentId, series, state, since, firedAt, toldAt, value } = after;
    const row = {
      incident_id: incidentId,
      environment: rule.environment,
      rule: rule.name,
      series,
      state,
      figure: figureOf(rule),
      bound: boundText(rule),
      summary: rule.summary,
      since,
      fired_at: firedAt ?? null,
      told_at: toldAt ?? null,
      ended_at: null,
      value,
    };
    await tx
      .insertInto("incident")
      .values(row)
      .onConflict((conflict) => conflict.column("incident_id").doUpdateSet(row))
      .execute();
  } else if (before?.state === "firing") {
    await tx
      .updateTable("incident")
      .set({ state: "resolved", ended_at: now })
      .where("incident_id", "=", before.incidentId)
      .execute();
  } else if (before !== undefined) {
    await tx.deleteFrom("incident").where("incident_id", "=", before.incidentId).execute();
  }
}

/** Answers how many are to be told. */
async function tell(
  tx: AnyTransaction,
  options: {
    readonly rule: Rule;
    readonly transition: Transition;
    readonly now: Date;
    readonly newId: () => string;
  },
): Promise<number> {
  const { rule, transition, now, newId } = options;
  const { news, before } = transition;
  if (news === undefined) return 0;
  const receivers = news === "firing" ? new Set(rule.receivers) : await toldOf(tx, before?.incidentId ?? "");
  for (const receiver of receivers) {
    const notificationId = newId();
    const content = contentOf(rule, transition, { now, notificationId });
    if (content === undefined) continue;
    await tx
      .insertInto("notification")
      .values({
        notification_id: notificationId,
        incident_id: content.incidentId,
        kind: news,
        receiver,
        content: JSON.stringify(content),
        created_at: now,
        next_attempt_at: now,
        attempts: 0,
        state: "waiting",
        last_problem: "",
      })
      .onConflict((conflict) => conflict.columns(["incident_id", "kind", "receiver"]).doNothing())
      .execute();
  }
  return receivers.size;
}

/** Who was to be told that it fires: a rule may have others by now. */
async function toldOf(tx: AnyTransaction, incidentId: string): Promise<ReadonlySet<string>> {
  const rows = await tx
    .selectFrom("notification")
    .select("receiver")
    .where("incident_id", "=", incidentId)
    .where("kind", "=", "firing")
    .execute();
  return new Set(rows.map(({ receiver }) => receiver));
}
