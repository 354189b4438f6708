import { AppPhase as ProtoPhase, type AppStatus } from "@drawbridge/contracts/runtime/v1/app";
import type { AppPhase, AppReport } from "./app-report.ts";

const phases = {
  pending: ProtoPhase.APP_PHASE_PENDING,
  progressing: ProtoPhase.APP_PHASE_PROGRESSING,
  running: ProtoPhase.APP_PHASE_RUNNING,
  stopped: ProtoPhase.APP_PHASE_STOPPED,
  failed: ProtoPhase.APP_PHASE_FAILED,
  degraded: ProtoPhase.APP_PHASE_DEGRADED,
} as const satisfies Record<AppPhase, ProtoPhase>;

export function reportToProto(report: AppReport, observedAt: Date): AppStatus {
  return {
    appId: report.appId,
    observedGeneration: report.observedGeneration,
    appliedDigest: report.appliedDigest,
    phase: phases[report.phase],
    servingRevision: report.servingRevision,
    readyReplicas: report.readyReplicas,
    replicas: report.replicas.map((replica) => ({
      replicaId: replica.replicaId,
      revision: replica.revision,
      state: replica.state,
      restarts: replica.restarts,
      startedAt: replica.startedAt,
      lastExit: replica.lastExit,
    })),
    conditions: report.conditions.map((condition) => ({ ...condition })),
    endpoints: [...report.endpoints],
    observedAt,
    gates: [...report.gates],
  };
}
