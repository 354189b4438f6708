import type { Store } from "@drawbridge/store";
import { sql, type Transaction } from "kysely";
import { alertChanges, evaluateAlerts, type AlertView } from "../domain/alerts.ts";
import { clockLimitsOf, type ClockLimits } from "../domain/clock-limits.ts";
import type { HealthAlert } from "../domain/fabric.ts";
import { announceAlerts } from "../events/agent-events.ts";
import { alertsFromJson, certificatesFromJson, clockLimitsFromRow, lockOfRow } from "./fabric-row.ts";
import type { AlertJson, HeldCertificateJson, RuntimeDatabase } from "./schema.ts";

export interface AlertRepository {
  /**
   * Look at agents whose alerts are due, store what they are now and announce what began or ended. A row is looked at by
   * one replica at a time, and what it saw is written with the event, so each change is announced exactly once. Answers
   * how many were looked at.
   */
  review(limit: number): Promise<number>;
}

interface DueRow {
  readonly agent_id: string;
  /** null: another agent speaks for the fabric, or the fabric is gone. */
  readonly fabric_id: string | null;
  readonly now: Date;
  readonly state: "connected" | "unreachable" | "disconnected";
  readonly connected_at: Date;
  readonly alerts: readonly AlertJson[];
  readonly shown_alerts: readonly AlertJson[];
  readonly certificates: readonly HeldCertificateJson[];
  readonly certificate_serial: string;
  readonly certificate_not_after: Date;
  readonly certificate_not_before: Date | null;
  readonly clock_skew_ms: string;
  readonly trust_bundle_sequence: string;
  readonly newest_sequence: string | null;
  readonly newest_since: Date | null;
  readonly lock_reason: "" | "DUPLICATE_AGENT" | "STALE_JOIN_STATE";
  readonly lock_message: string;
  readonly locked_at: Date | null;
  readonly clock_skew_warn_seconds: number | null;
  readonly clock_skew_fail_seconds: number | null;
}

export function createAlertRepository(
  store: Store<RuntimeDatabase>,
  settings: { readonly clockLimits: ClockLimits },
): AlertRepository {
  return {
    review: (limit) =>
      store.transaction(async (tx) => {
        const due = await takeDue(tx, limit);
        if (due.length === 0) return 0;
        const reviewed = due.map((row) => ({ row, view: viewOf(row, settings.clockLimits) }));
        await write(tx, reviewed);
        await announceAlerts(
          tx,
          reviewed.flatMap(({ row, view }) => {
            const { fabric_id: fabricId, now: at } = row;
            if (fabricId === null) return [];
            return alertChanges(alertsFromJson(row.shown_alerts), view.alerts).map(({ alert, change }) => ({
              fabricId,
              at,
              alert,
              change,
            }));
          }),
        );
        return due.length;
      }),
  };
}

async function takeDue(tx: Transaction<RuntimeDatabase>, limit: number): Promise<readonly DueRow[]> {
  const { rows } = await sql<DueRow>`
    WITH due AS MATERIALIZED (
      SELECT * FROM agent WHERE alerts_due_at <= now() ORDER BY alerts_due_at LIMIT ${limit}
      FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT due.agent_id, fabric.fabric_id, now() AS now, due.state, due.connected_at, due.alerts, due.shown_alerts,
      due.certificates, due.certificate_serial, due.certificate_not_after, certificate.not_before AS certificate_not_before,
      due.clock_skew_ms, due.trust_bundle_sequence, due.lock_reason, due.lock_message, due.locked_at,
      fabric.clock_skew_warn_seconds, fabric.clock_skew_fail_seconds,
      trust_bundle.sequence AS newest_sequence, trust_bundle.known_since AS newest_since
    FROM due
    LEFT JOIN fabric ON fabric.agent_id = due.agent_id AND fabric.deleted_at IS NULL
    LEFT JOIN certificate ON certificate.serial_number = due.certificate_serial AND certificate.agent_id IS NOT NULL
    LEFT JOIN trust_bundle ON true
  `.execute(tx);
  return rows;
}

function viewOf(row: DueRow, service: ClockLimits): AlertView {
  if (row.fabric_id === null) return { alerts: [], nextAt: undefined };
  const lock = lockOfRow(row);
  return evaluateAlerts(
    {
      own: alertsFromJson(row.alerts),
      certificates: certificatesFromJson(row.certificates),
      tunnel: {
        serialNumber: row.certificate_serial,
        notBefore: row.certificate_not_before ?? undefined,
        notAfter: row.certificate_not_after,
      },
      clockSkewMs: Number(row.clock_skew_ms),
      clockSkewWarnSeconds: clockLimitsOf(clockLimitsFromRow(row), service).warnSeconds,
      acknowledgedSequence: BigInt(row.trust_bundle_sequence),
      newestBundle:
        row.newest_sequence === null || row.newest_since === null
          ? undefined
          : { sequence: BigInt(row.newest_sequence), since: row.newest_since },
      connectedAt: row.state === "connected" ? row.connected_at : undefined,
      lock: lock && { message: lock.message, at: lock.at },
    },
    { previous: alertsFromJson(row.shown_alerts), now: row.now },
  );
}

async function write(
  tx: Transaction<RuntimeDatabase>,
  reviewed: readonly { readonly row: DueRow; readonly view: AlertView }[],
): Promise<void> {
  const rows = reviewed.map(({ row, view }): { agent_id: string; shown: readonly HealthAlert[]; due_at: string } => ({
    agent_id: row.agent_id,
    shown: view.alerts,
    due_at: view.nextAt?.toISOString() ?? "infinity",
  }));
  await sql`
    UPDATE agent SET shown_alerts = reviewed.shown, alerts_due_at = reviewed.due_at
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS reviewed (agent_id uuid, shown jsonb, due_at timestamptz)
    WHERE agent.agent_id = reviewed.agent_id
  `.execute(tx);
}
