import type { AlertRule } from "@drawbridge/alert-rules";
import type { ColumnType } from "kysely";
import type { Reading } from "../domain/next-state.ts";
import type { NotificationContent } from "../domain/notification.ts";

/** jsonb: written as text, read as a value. */
type Json<T> = ColumnType<T, string, string>;

export interface AlertingDatabase {
  readonly rule_set: {
    readonly environment: string;
    readonly version: number;
    readonly rules: Json<readonly AlertRule[]>;
    readonly applied_at: Date;
    readonly applied_by: string;
  };
  readonly rule_state: {
    readonly environment: string;
    readonly rule: string;
    readonly evaluated_at: Date;
    readonly succeeded_at: Date | null;
    readonly problem: string;
    readonly readings: Json<readonly Reading[]>;
  };
  readonly incident: {
    readonly incident_id: string;
    readonly environment: string;
    readonly rule: string;
    readonly series: string;
    readonly state: "pending" | "firing" | "resolved" | "withdrawn";
    readonly figure: string;
    readonly bound: string;
    readonly summary: string;
    readonly since: Date;
    readonly fired_at: Date | null;
    readonly told_at: Date | null;
    readonly ended_at: Date | null;
    readonly value: number;
  };
  readonly silence: {
    readonly silence_id: string;
    readonly environment: string;
    readonly rule: string;
    readonly series: string;
    readonly reason: string;
    readonly created_at: Date;
    readonly created_by: string;
    readonly until: Date;
    readonly ended_at: Date | null;
    readonly ended_by: string;
  };
  readonly notification: {
    readonly notification_id: string;
    readonly incident_id: string;
    readonly kind: "firing" | "resolved";
    readonly receiver: string;
    readonly content: Json<NotificationContent>;
    readonly created_at: Date;
    readonly next_attempt_at: Date;
    readonly attempts: number;
    readonly state: "waiting" | "delivered" | "given up";
    readonly last_problem: string;
  };
}
