import { type AppStatus, AppPhase, DesiredState, type ReplicaStatus } from "@drawbridge/contracts/runtime/v1/app";
import type { App, Revision } from "@drawbridge/contracts/runtime/v1/app_service";
import type { z } from "zod";
import type { appPhases, appSchema, desiredStates, revisionSchema } from "../schemas/app.ts";
import { gateToJson } from "./gate-json.ts";
import { instantOrNull, required, safeNumber } from "./values.ts";

type AppJson = z.output<typeof appSchema>;
type StatusJson = NonNullable<AppJson["status"]>;

const desiredStateNames: Readonly<Record<DesiredState, (typeof desiredStates)[number] | undefined>> = {
  [DesiredState.DESIRED_STATE_UNSPECIFIED]: undefined,
  [DesiredState.DESIRED_STATE_RUNNING]: "running",
  [DesiredState.DESIRED_STATE_STOPPED]: "stopped",
  [DesiredState.UNRECOGNIZED]: undefined,
};

const phaseNames: Readonly<Record<AppPhase, (typeof appPhases)[number]>> = {
  [AppPhase.APP_PHASE_UNSPECIFIED]: "pending",
  [AppPhase.APP_PHASE_PENDING]: "pending",
  [AppPhase.APP_PHASE_PROGRESSING]: "progressing",
  [AppPhase.APP_PHASE_RUNNING]: "running",
  [AppPhase.APP_PHASE_STOPPED]: "stopped",
  [AppPhase.APP_PHASE_FAILED]: "failed",
  [AppPhase.APP_PHASE_DEGRADED]: "degraded",
  [AppPhase.UNRECOGNIZED]: "pending",
};

/** An app as REST shows it. */
export function appToJson(message: App | undefined): AppJson {
  const app = required("app", message);
  const spec = required("app.spec", app.spec);
  return {
    name: spec.name,
    environment: spec.environment,
    fabric: app.fabricName,
    fabricId: app.fabricId,
    appId: spec.appId,
    version: spec.version,
    revision: safeNumber("revision", spec.revision),
    generation: safeNumber("generation", spec.generation),
    desiredState: required("app.spec.desired_state", desiredStateNames[spec.desiredState]),
    replicas: spec.replicas,
    publicPort: spec.publicPort,
    routes: spec.routes.map(({ host, path }) => ({ host, path })),
    gatekeeper: spec.gatekeeper === "" ? null : { level: spec.gatekeeper, source: spec.gatekeeperSource },
    bundleDigest: spec.bundle?.digest ?? "",
    deleting: app.deleting,
    createdAt: instantOrNull(app.createdAt),
    updatedAt: instantOrNull(app.updatedAt),
    statusCurrent: app.statusCurrent,
    manifest: parseManifestJson(app.manifestJson),
    status: app.status ? statusToJson(app.status, spec.specDigest) : null,
  };
}

function statusToJson(status: AppStatus, desiredDigest: string): StatusJson {
  return {
    phase: phaseNames[status.phase],
    observedGeneration: safeNumber("observed_generation", status.observedGeneration),
    servingRevision: safeNumber("serving_revision", status.servingRevision),
    readyReplicas: status.readyReplicas,
    appliedCurrent: desiredDigest !== "" && status.appliedDigest === desiredDigest,
    replicas: status.replicas.map(replicaToJson),
    conditions: status.conditions.map(({ type, status: holds, reason, message, lastTransitionAt }) => ({
      type,
      status: holds,
      reason,
      message,
      lastTransitionAt: instantOrNull(lastTransitionAt),
    })),
    endpoints: [...status.endpoints],
    gates: status.gates.map(gateToJson),
    observedAt: instantOrNull(status.observedAt),
  };
}

function replicaToJson(replica: ReplicaStatus): StatusJson["replicas"][number] {
  return {
    replicaId: replica.replicaId,
    revision: safeNumber("replica.revision", replica.revision),
    state: replica.state,
    restarts: replica.restarts,
    startedAt: instantOrNull(replica.startedAt),
    lastExit: replica.lastExit,
  };
}

export function revisionToJson(revision: Revision): z.output<typeof revisionSchema> {
  return {
    revision: safeNumber("revision", revision.revision),
    version: revision.version,
    bundleDigest: revision.bundle?.digest ?? "",
    hasConfiguration: revision.configuration !== undefined,
    createdAt: instantOrNull(revision.createdAt),
    requestedBy: revision.requestedBy,
    cause: revision.cause,
    current: revision.current,
    servedAt: instantOrNull(revision.servedAt),
  };
}

/** A manifest as it was stored; null where a peer sent none. */
export function parseManifestJson(text: string): unknown {
  return text === "" ? null : (JSON.parse(text) as unknown);
}
