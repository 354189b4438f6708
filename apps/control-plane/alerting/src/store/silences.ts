import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import type { Rule } from "../rules/rule-file.ts";
import type { AlertingDatabase } from "./database.ts";

export interface Silence {
  readonly silenceId: string;
  readonly environment: string;
  /** Empty: every rule. */
  readonly rule: string;
  /** Empty: every series. */
  readonly series: string;
  readonly reason: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly until: Date;
  readonly ended: { readonly at: Date; readonly by: string } | undefined;
}

export interface Silences {
  /**
   * The same id again answers the silence that is there.
   * @throws DrawbridgeError `ALERT_SILENCES_MANY` (failed_precondition)
   */
  create(silence: Omit<Silence, "ended">): Promise<Silence>;
  list(
    environment: string,
    of: { readonly now: Date; readonly which: "in force" | "all" },
  ): Promise<readonly Silence[]>;
  /** @throws DrawbridgeError `ALERT_SILENCE_NOT_FOUND` (not_found) */
  end(
    silence: Pick<Silence, "environment" | "silenceId">,
    by: { readonly by: string; readonly now: Date },
  ): Promise<Silence>;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const shown = 500;
/** In force at once, of an environment. */
const mostInForce = 200;

type Db = Store<AlertingDatabase>["db"];

export function createSilences({ db, transaction }: Pick<Store<AlertingDatabase>, "db" | "transaction">): Silences {
  return {
    create: (silence) =>
      transaction(async (tx) => {
        const { silenceId, environment, createdAt } = silence;
        await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`silence/${environment}`}, 0))`.execute(tx);
        const known = await find(tx, silence);
        if (known) return known;
        const inForce = await listOf(tx, environment, { now: createdAt, which: "in force" });
        if (inForce.length >= mostInForce) throw tooMany();
        await tx
          .insertInto("silence")
          .values({
            silence_id: silenceId,
            environment,
            rule: silence.rule,
            series: silence.series,
            reason: silence.reason,
            created_at: createdAt,
            created_by: silence.createdBy,
            until: silence.until,
            ended_at: null,
            ended_by: "",
          })
          .execute();
        return { ...silence, ended: undefined };
      }),

    list: (environment, of) => listOf(db, environment, of),

    end: async (silence, { by, now }) => {
      if (!uuid.test(silence.silenceId)) throw notFound(silence);
      await db
        .updateTable("silence")
        .set({ ended_at: now, ended_by: by })
        .where("silence_id", "=", silence.silenceId)
        .where("environment", "=", silence.environment)
        .where("ended_at", "is", null)
        .where("until", ">", now)
        .execute();
      const found = await find(db, silence);
      if (found) return found;
      throw notFound(silence);
    },
  };
}

/** Those in force that a rule, or a series of it, is silenced by. */
export async function silencesOf(
  db: Db,
  { environment, name }: Pick<Rule, "environment" | "name">,
  now: Date,
): Promise<readonly Silence[]> {
  const inForce = await listOf(db, environment, { now, which: "in force" });
  return inForce.filter(({ rule }) => rule === "" || rule === name);
}

async function find(db: Db, { environment, silenceId }: Pick<Silence, "environment" | "silenceId">) {
  const row = await db
    .selectFrom("silence")
    .selectAll()
    .where("silence_id", "=", silenceId)
    .where("environment", "=", environment)
    .executeTakeFirst();
  return row && silenceOf(row);
}

async function listOf(
  db: Db,
  environment: string,
  { now, which }: { readonly now: Date; readonly which: "in force" | "all" },
): Promise<readonly Silence[]> {
  let query = db.selectFrom("silence").selectAll().where("environment", "=", environment);
  if (which === "in force") query = query.where("until", ">", now).where("ended_at", "is", null);
  const rows = await query.orderBy("created_at", "desc").limit(shown).execute();
  return rows.map(silenceOf);
}

function silenceOf(row: AlertingDatabase["silence"]): Silence {
  return {
    silenceId: row.silence_id,
    environment: row.environment,
    rule: row.rule,
    series: row.series,
    reason: row.reason,
    createdAt: row.created_at,
    createdBy: row.created_by,
    until: row.until,
    ended: row.ended_at === null ? undefined : { at: row.ended_at, by: row.ended_by },
  };
}

function notFound({ environment, silenceId }: Pick<Silence, "environment" | "silenceId">): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "ALERT_SILENCE_NOT_FOUND",
    message: `there is no silence ${silenceId} in ${environment}`,
  });
}

function tooMany(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ALERT_SILENCES_MANY",
    message: `${mostInForce} silences of the environment are in force already: end some, or silence the environment`,
  });
}
