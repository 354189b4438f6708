import { AppPhase, type AppStatus as AppStatusProto } from "@drawbridge/contracts/runtime/v1/app";
import type {
  ClusterInfo as ClusterInfoProto,
  HealthAlert as HealthAlertProto,
} from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { GateStatus as GateStatusProto } from "@drawbridge/contracts/runtime/v1/gate";
import type { AppPhase as Phase, AppStatus, GateStatus } from "../domain/app-status.ts";
import {
  CertificatePurpose,
  type Heartbeat,
  type HeldCertificate as HeldCertificateProto,
  type Hello,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { ClusterInfo, HealthAlert, HeldCertificate } from "../domain/fabric.ts";
import { appId, isUuid, type AppId } from "../domain/ids.ts";
import { limits } from "../domain/limits.ts";

/** What an agent may say at most; the rest is cut, so that one agent cannot fill the database. */
const most = {
  alerts: 50,
  certificates: 8,
  replicas: 2 * limits.replicas,
  conditions: 50,
  endpoints: 20,
  /** 100 APIs of a manifest, for two deployments, in each of eight gateways. */
  gates: 1_600,
  digest: 100,
  text: 200,
  path: 1_024,
  sentence: 2_000,
};

const phases: Partial<Record<AppPhase, Phase>> = {
  [AppPhase.APP_PHASE_PENDING]: "pending",
  [AppPhase.APP_PHASE_PROGRESSING]: "progressing",
  [AppPhase.APP_PHASE_RUNNING]: "running",
  [AppPhase.APP_PHASE_STOPPED]: "stopped",
  [AppPhase.APP_PHASE_FAILED]: "failed",
  [AppPhase.APP_PHASE_DEGRADED]: "degraded",
};

/** PostgreSQL text holds everything but NUL. */
export function text(value: string, characters: number): string {
  return value.slice(0, characters).replaceAll("\0", "");
}

/** PostgreSQL bigint ends at 2^63 - 1, uint64 does not. What no true agent says is as good as the highest. */
export function whole(value: bigint): bigint {
  return value < highestBigint ? value : highestBigint;
}
const highestBigint = 2n ** 63n - 1n;

/** Where a time is missing or nonsense, the moment of receipt stands in. */
export function instant(at: Date | undefined, now: Date): Date {
  return isInstant(at) ? at : now;
}

function isInstant(at: Date | undefined): at is Date {
  return at !== undefined && at.getTime() > 0 && at.getTime() < endOfTimeMs;
}
/** The last year with four digits: later ones are written in a way that PostgreSQL does not read. */
const endOfTimeMs = Date.UTC(10_000, 0);

/** What Hello and each heartbeat say of an agent. */
export function standingFromProto(
  said: Pick<Hello | Heartbeat, "observedGeneration" | "snapshotDigest" | "trustBundleSequence" | "certificates">,
) {
  return {
    observedGeneration: whole(said.observedGeneration),
    snapshotDigest: text(said.snapshotDigest, most.digest),
    trustBundleSequence: whole(said.trustBundleSequence),
    certificates: certificatesFromProto(said.certificates),
  };
}

export function clusterFromProto(cluster: ClusterInfoProto | undefined): ClusterInfo {
  return {
    driver: text(cluster?.driver ?? "", most.text),
    agentVersion: text(cluster?.agentVersion ?? "", most.text),
    clusterVersion: text(cluster?.clusterVersion ?? "", most.text),
    kubernetesVersion: text(cluster?.kubernetesVersion ?? "", most.text),
    containerRuntimeVersion: text(cluster?.containerRuntimeVersion ?? "", most.text),
    nodes: cluster?.nodes ?? 0,
    cpuMillicores: whole(cluster?.cpuMillicores ?? 0n),
    memoryBytes: whole(cluster?.memoryBytes ?? 0n),
    logsAllowed: cluster?.logsAllowed ?? false,
  };
}

export function alertsFromProto(alerts: readonly HealthAlertProto[], now: Date): readonly HealthAlert[] {
  return alerts.slice(0, most.alerts).map((alert) => ({
    reason: text(alert.reason, most.text),
    message: text(alert.message, most.sentence),
    since: instant(alert.since, now),
  }));
}

const purposes: Partial<Record<CertificatePurpose, HeldCertificate["purpose"]>> = {
  [CertificatePurpose.CERTIFICATE_PURPOSE_TUNNEL]: "tunnel",
  [CertificatePurpose.CERTIFICATE_PURPOSE_MONITORING]: "monitoring",
};
const serialPattern = /^[0-9a-f]{2,40}$/;

/** Certificates without a purpose that we know, a serial number or an end say nothing and are left out. */
export function certificatesFromProto(held: readonly HeldCertificateProto[]): readonly HeldCertificate[] {
  return held.slice(0, most.certificates).flatMap((certificate) => {
    const { serialNumber, notAfter } = certificate;
    const purpose = purposes[certificate.purpose];
    if (!purpose || !serialPattern.test(serialNumber) || !isInstant(notAfter)) return [];
    const renewAt = instant(certificate.renewAt, notAfter);
    return [{ purpose, serialNumber, notAfter, renewAt, lastFailure: text(certificate.lastFailure, most.text) }];
  });
}

/** Statuses without an id or a phase that we know say nothing and are left out. */
export function statusesFromProto(statuses: readonly AppStatusProto[], now: Date): readonly AppStatus[] {
  const byId = new Map<AppId, AppStatus>();
  for (const status of statuses.slice(0, 2 * limits.appsPerFabric)) {
    const phase = phases[status.phase];
    if (phase === undefined || !isUuid(status.appId)) continue;
    const id = appId(status.appId);
    byId.set(id, {
      appId: id,
      phase,
      observedGeneration: status.observedGeneration,
      appliedDigest: text(status.appliedDigest, most.text),
      servingRevision: status.servingRevision,
      readyReplicas: status.readyReplicas,
      replicas: status.replicas.slice(0, most.replicas).map((replica) => ({
        replicaId: text(replica.replicaId, most.text),
        revision: replica.revision,
        state: text(replica.state, most.text),
        restarts: replica.restarts,
        startedAt: replica.startedAt && instant(replica.startedAt, now),
        lastExit: text(replica.lastExit, most.text),
      })),
      conditions: status.conditions.slice(0, most.conditions).map((condition) => ({
        type: text(condition.type, most.text),
        status: text(condition.status, most.text),
        reason: text(condition.reason, most.text),
        message: text(condition.message, most.sentence),
        lastTransitionAt: instant(condition.lastTransitionAt, now),
      })),
      endpoints: status.endpoints.slice(0, most.endpoints).map((endpoint) => text(endpoint, most.sentence)),
      observedAt: instant(status.observedAt, now),
      gates: gatesFromProto(status.gates, now),
    });
  }
  return [...byId.values()];
}

function gatesFromProto(gates: readonly GateStatusProto[], now: Date): readonly GateStatus[] {
  return gates.slice(0, most.gates).map((gate) => ({
    gatewayId: text(gate.gatewayId, most.text),
    apiName: text(gate.apiName, most.text),
    apiVersion: text(gate.apiVersion, most.text),
    basePath: text(gate.basePath, most.path),
    deployment: text(gate.deployment, most.text),
    state: text(gate.state, most.text),
    since: instant(gate.since, now),
    level: text(gate.level, most.text),
    levelSource: text(gate.levelSource, most.text),
    reason: text(gate.reason, most.text),
    message: text(gate.message, most.sentence),
    appliedRevision: whole(gate.appliedRevision),
    desiredRevision: whole(gate.desiredRevision),
    policies: gate.policies,
    contracts: gate.contracts,
  }));
}

export function removedFromProto(ids: readonly string[]): readonly AppId[] {
  return ids.slice(0, 2 * limits.appsPerFabric).flatMap((id) => (isUuid(id) ? [appId(id)] : []));
}
