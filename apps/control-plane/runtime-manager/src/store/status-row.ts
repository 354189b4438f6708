import type { Selectable } from "kysely";
import type { AppStatus, GateStatus } from "../domain/app-status.ts";
import { appId } from "../domain/ids.ts";
import type { AppStatusTable, GateJson, StatusJson } from "./schema.ts";

export function statusFromRow(
  row: Pick<Selectable<AppStatusTable>, "app_id" | "observed_generation" | "phase" | "status">,
): AppStatus {
  const { status } = row;
  return {
    appId: appId(row.app_id),
    observedGeneration: BigInt(row.observed_generation),
    phase: row.phase,
    appliedDigest: status.appliedDigest,
    servingRevision: BigInt(status.servingRevision),
    readyReplicas: status.readyReplicas,
    replicas: status.replicas.map(({ startedAt, ...replica }) => ({
      ...replica,
      revision: BigInt(replica.revision),
      startedAt: startedAt === undefined ? undefined : new Date(startedAt),
    })),
    conditions: status.conditions.map((condition) => ({
      ...condition,
      lastTransitionAt: new Date(condition.lastTransitionAt),
    })),
    endpoints: status.endpoints,
    observedAt: new Date(status.observedAt),
    gates: (status.gates ?? []).map(gateFromJson),
  };
}

export function statusToJson(status: AppStatus): StatusJson {
  return {
    appliedDigest: status.appliedDigest,
    servingRevision: String(status.servingRevision),
    readyReplicas: status.readyReplicas,
    replicas: status.replicas.map(({ startedAt, revision, ...replica }) => ({
      ...replica,
      revision: String(revision),
      ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    })),
    conditions: status.conditions.map((condition) => ({
      ...condition,
      lastTransitionAt: condition.lastTransitionAt.toISOString(),
    })),
    endpoints: status.endpoints,
    observedAt: status.observedAt.toISOString(),
    ...(status.gates.length > 0 && { gates: status.gates.map(gateToJson) }),
  };
}

function gateFromJson({ since, appliedRevision, desiredRevision, ...gate }: GateJson): GateStatus {
  return {
    ...gate,
    since: new Date(since),
    appliedRevision: BigInt(appliedRevision),
    desiredRevision: BigInt(desiredRevision),
  };
}

function gateToJson({ since, appliedRevision, desiredRevision, ...gate }: GateStatus): GateJson {
  return {
    ...gate,
    since: since.toISOString(),
    appliedRevision: String(appliedRevision),
    desiredRevision: String(desiredRevision),
  };
}
