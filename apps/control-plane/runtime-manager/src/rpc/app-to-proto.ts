import {
  AppPhase,
  DesiredState,
  type AppSpec as AppSpecProto,
  type AppStatus as AppStatusProto,
  type ArtefactRef as ArtefactRefProto,
} from "@drawbridge/contracts/runtime/v1/app";
import type { App as AppProto, Revision as RevisionProto } from "@drawbridge/contracts/runtime/v1/app_service";
import type { AppRecord, ArtefactRef } from "../domain/app.ts";
import type { AppPhase as Phase, AppStatus } from "../domain/app-status.ts";
import { nearestGatekeeper } from "../domain/gatekeeper.ts";
import type { AppView, RevisionView } from "../domain/app-view.ts";

const phases: Record<Phase, AppPhase> = {
  pending: AppPhase.APP_PHASE_PENDING,
  progressing: AppPhase.APP_PHASE_PROGRESSING,
  running: AppPhase.APP_PHASE_RUNNING,
  stopped: AppPhase.APP_PHASE_STOPPED,
  failed: AppPhase.APP_PHASE_FAILED,
  degraded: AppPhase.APP_PHASE_DEGRADED,
};

export function artefactToProto(artefact: ArtefactRef): ArtefactRefProto {
  return { digest: artefact.digest, sizeBytes: artefact.sizeBytes, path: artefact.path };
}

export function specToProto({ spec, gatekeeper }: Pick<AppRecord, "spec" | "gatekeeper">): AppSpecProto {
  const { value, source } = nearestGatekeeper(gatekeeper);
  return {
    appId: spec.appId,
    name: spec.name,
    environment: spec.environment,
    generation: spec.generation,
    revision: spec.revision,
    version: spec.version,
    desiredState:
      spec.desiredState === "running" ? DesiredState.DESIRED_STATE_RUNNING : DesiredState.DESIRED_STATE_STOPPED,
    replicas: spec.replicas,
    restartNonce: spec.restartNonce,
    bundle: artefactToProto(spec.bundle),
    configuration: spec.configuration && artefactToProto(spec.configuration),
    publicPort: spec.publicPort,
    strategy: { ...spec.strategy },
    specDigest: spec.specDigest,
    traceparent: spec.traceparent,
    gatekeeper: value,
    gatekeeperSource: source,
    routes: spec.routes.map(({ host, path }) => ({ host, path })),
  };
}

function statusToProto(status: AppStatus): AppStatusProto {
  return {
    ...status,
    phase: phases[status.phase],
    replicas: status.replicas.map((replica) => ({ ...replica })),
    conditions: status.conditions.map((condition) => ({ ...condition })),
    endpoints: [...status.endpoints],
    gates: status.gates.map((gate) => ({ ...gate })),
  };
}

export function appToProto({ app, fabricName, status, isStatusCurrent }: AppView): AppProto {
  return {
    spec: specToProto(app),
    status: status && statusToProto(status),
    fabricId: app.fabricId,
    fabricName,
    deleting: app.life.state === "deleting",
    createdAt: app.createdAt,
    updatedAt: app.updatedAt,
    statusCurrent: isStatusCurrent,
    manifestJson: app.manifestJson,
  };
}

export function revisionToProto({ revision, isCurrent }: RevisionView): RevisionProto {
  return {
    revision: revision.revision,
    version: revision.version,
    bundle: artefactToProto(revision.bundle),
    configuration: revision.configuration && artefactToProto(revision.configuration),
    createdAt: revision.createdAt,
    requestedBy: revision.requestedBy,
    cause: revision.cause,
    current: isCurrent,
    servedAt: revision.servedAt,
  };
}
