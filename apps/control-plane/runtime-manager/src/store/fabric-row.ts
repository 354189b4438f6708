import type { Selectable } from "kysely";
import type { FabricClockLimits } from "../domain/clock-limits.ts";
import type { AgentLock, ClusterInfo, Fabric, FabricState, HealthAlert, HeldCertificate } from "../domain/fabric.ts";
import { agentId, fabricId } from "../domain/ids.ts";
import type { AgentTable, AlertJson, ClusterJson, FabricTable, HeldCertificateJson } from "./schema.ts";

export function clusterFromJson(json: ClusterJson): ClusterInfo {
  return { ...json, cpuMillicores: BigInt(json.cpuMillicores), memoryBytes: BigInt(json.memoryBytes) };
}

export function clusterToJson(cluster: ClusterInfo): string {
  const json: ClusterJson = {
    ...cluster,
    cpuMillicores: String(cluster.cpuMillicores),
    memoryBytes: String(cluster.memoryBytes),
  };
  return JSON.stringify(json);
}

export function alertsFromJson(json: readonly AlertJson[]): readonly HealthAlert[] {
  return json.map((alert) => ({ ...alert, since: new Date(alert.since) }));
}

export function certificatesToJson(certificates: readonly HeldCertificate[]): string {
  return JSON.stringify(certificates);
}

export function certificatesFromJson(json: readonly HeldCertificateJson[]): readonly HeldCertificate[] {
  return json.map((held) => ({ ...held, notAfter: new Date(held.notAfter), renewAt: new Date(held.renewAt) }));
}

export function lockOfRow(
  row: Pick<Selectable<AgentTable>, "lock_reason" | "lock_message" | "locked_at">,
): AgentLock | undefined {
  if (row.lock_reason === "" || row.locked_at === null) return undefined;
  return { reason: row.lock_reason, message: row.lock_message, at: row.locked_at };
}

/** A fabric's row beside its agent's, whose columns are all null before activation. */
export type FabricRow = Selectable<FabricTable> & { app_count: string } & {
  [
    Column in
      | "state"
      | "replica"
      | "last_seen_at"
      | "observed_generation"
      | "clock_skew_ms"
      | "cluster"
      | "shown_alerts"
      | "certificate_serial"
      | "certificate_not_after"
      | "certificates"
      | "trust_bundle_sequence"
      | "lock_reason"
      | "lock_message"
      | "locked_at"
  ]: Selectable<AgentTable>[Column] | null;
};

export function fabricFromRow(row: FabricRow): Fabric {
  return {
    fabricId: fabricId(row.fabric_id),
    org: row.org,
    name: row.name,
    region: row.region,
    environments: row.environments,
    state: fabricState(row.state),
    agent: agentOfRow(row),
    desiredGeneration: BigInt(row.desired_generation),
    createdAt: row.created_at,
    appCount: Number(row.app_count),
    clockLimits: clockLimitsFromRow(row),
  };
}

export function clockLimitsFromRow(
  row: Pick<Selectable<FabricTable>, "clock_skew_warn_seconds" | "clock_skew_fail_seconds">,
): FabricClockLimits {
  return {
    warnSeconds: row.clock_skew_warn_seconds ?? undefined,
    failSeconds: row.clock_skew_fail_seconds ?? undefined,
  };
}

export function fabricState(agentState: Selectable<AgentTable>["state"] | null): FabricState {
  return agentState ?? "pending";
}

function agentOfRow(row: FabricRow): Fabric["agent"] {
  const {
    agent_id: id,
    cluster,
    shown_alerts: alerts,
    last_seen_at: lastSeenAt,
    certificate_not_after: notAfter,
  } = row;
  if (id === null || cluster === null || alerts === null || lastSeenAt === null || notAfter === null) return undefined;
  return {
    agentId: agentId(id),
    cluster: clusterFromJson(cluster),
    alerts: alertsFromJson(alerts),
    observedGeneration: BigInt(row.observed_generation ?? 0),
    lastSeenAt,
    clockSkewMs: Number(row.clock_skew_ms ?? 0),
    certificateSerial: row.certificate_serial ?? "",
    certificateNotAfter: notAfter,
    tunnelReplica: row.replica ?? "",
    certificates: certificatesFromJson(row.certificates ?? []),
    trustBundleSequence: BigInt(row.trust_bundle_sequence ?? 0),
    lock: lockOfRow({
      lock_reason: row.lock_reason ?? "",
      lock_message: row.lock_message ?? "",
      locked_at: row.locked_at,
    }),
  };
}
