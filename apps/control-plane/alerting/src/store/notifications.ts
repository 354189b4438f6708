import { sql, type Store } from "@drawbridge/store";
import type { NotificationContent } from "../domain/notification.ts";
import type { AlertingDatabase } from "./database.ts";

export interface DueNotification {
  readonly notificationId: string;
  readonly receiver: string;
  readonly content: NotificationContent;
  readonly createdAt: Date;
  /** This one counted. */
  readonly attempts: number;
}

export interface Notifications {
  /**
   * Take some that are due, at most three of a receiver, each receiver's oldest first; nobody else gets them before `until`.
   * That it is over waits until the receiver was told that it fires, or nobody tries that any more.
   */
  claim(claim: {
    readonly now: Date;
    readonly until: Date;
    readonly limit: number;
  }): Promise<readonly DueNotification[]>;
  delivered(notificationId: string): Promise<void>;
  failed(
    notificationId: string,
    failure: { readonly problem: string; readonly nextAttemptAt: Date | undefined },
  ): Promise<void>;
  /** Forget what was told, or given up, before this time. */
  forget(before: Date): Promise<void>;
  /** How many wait. */
  waiting(): Promise<number>;
}

const problemCharacters = 300;
/** A receiver that is away leaves room for the others. */
const mostOfReceiver = 3;

export function createNotifications({ db }: Pick<Store<AlertingDatabase>, "db">): Notifications {
  return {
    claim: async ({ now, until, limit }) => {
      const { rows } = await sql<{
        notification_id: string;
        receiver: string;
        content: NotificationContent;
        created_at: Date;
        attempts: number;
      }>`
        WITH place_in_line AS (
          SELECT notification_id, row_number() OVER (PARTITION BY receiver ORDER BY next_attempt_at, notification_id) AS place
          FROM notification AS one
          WHERE state = 'waiting' AND next_attempt_at <= ${now} AND (kind = 'firing' OR NOT EXISTS (
            SELECT FROM notification AS first WHERE first.incident_id = one.incident_id
              AND first.receiver = one.receiver AND first.kind = 'firing' AND first.state = 'waiting'
          ))
        ), due AS (
          -- State and time again: they are looked at once more when the row is locked, the line is not.
          SELECT notification_id FROM notification JOIN place_in_line USING (notification_id)
          WHERE state = 'waiting' AND next_attempt_at <= ${now} AND place <= ${mostOfReceiver}
          ORDER BY place, next_attempt_at LIMIT ${limit} FOR UPDATE OF notification SKIP LOCKED
        )
        UPDATE notification SET next_attempt_at = ${until}, attempts = attempts + 1
        WHERE notification_id IN (SELECT notification_id FROM due)
        RETURNING notification_id, receiver, content, created_at, attempts
      `.execute(db);
      return rows.map((row) => ({
        notificationId: row.notification_id,
        receiver: row.receiver,
        content: row.content,
        createdAt: row.created_at,
        attempts: row.attempts,
      }));
    },
    delivered: async (notificationId) => {
      await db
        .updateTable("notification")
        .set({ state: "delivered", last_problem: "" })
        .where("notification_id", "=", notificationId)
        .execute();
    },
    failed: async (notificationId, { problem, nextAttemptAt }) => {
      await db
        .updateTable("notification")
        .set({
          last_problem: problem.slice(0, problemCharacters),
          ...(nextAttemptAt === undefined ? { state: "given up" as const } : { next_attempt_at: nextAttemptAt }),
        })
        .where("notification_id", "=", notificationId)
        .where("state", "=", "waiting")
        .execute();
    },
    forget: async (before) => {
      await db.deleteFrom("notification").where("state", "!=", "waiting").where("created_at", "<", before).execute();
    },
    waiting: async () => {
      const { rows } = await sql<{ waiting: string }>`
        SELECT count(*) AS waiting FROM notification WHERE state = 'waiting'
      `.execute(db);
      return Number(rows[0]?.waiting ?? 0);
    },
  };
}
