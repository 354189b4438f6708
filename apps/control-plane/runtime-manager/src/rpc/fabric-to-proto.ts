import { FabricState, type Fabric as FabricProto } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { clockLimitsOf, type ClockLimits } from "../domain/clock-limits.ts";
import type { Fabric, FabricState as State } from "../domain/fabric.ts";

const states: Record<State, FabricState> = {
  pending: FabricState.FABRIC_STATE_PENDING,
  connected: FabricState.FABRIC_STATE_CONNECTED,
  unreachable: FabricState.FABRIC_STATE_UNREACHABLE,
  disconnected: FabricState.FABRIC_STATE_DISCONNECTED,
};

export function fabricToProto({ agent, ...fabric }: Fabric, service: ClockLimits): FabricProto {
  const clockLimits = clockLimitsOf(fabric.clockLimits, service);
  return {
    fabricId: fabric.fabricId,
    org: fabric.org,
    name: fabric.name,
    region: fabric.region,
    environments: [...fabric.environments],
    state: states[fabric.state],
    cluster: agent && { ...agent.cluster },
    alerts: agent?.alerts.map((alert) => ({ ...alert })) ?? [],
    agentId: agent?.agentId ?? "",
    desiredGeneration: fabric.desiredGeneration,
    observedGeneration: agent?.observedGeneration ?? 0n,
    lastSeenAt: agent?.lastSeenAt,
    clockSkewMs: BigInt(agent?.clockSkewMs ?? 0),
    certificateSerial: agent?.certificateSerial ?? "",
    certificateNotAfter: agent?.certificateNotAfter,
    tunnelReplica: agent?.tunnelReplica ?? "",
    createdAt: fabric.createdAt,
    appCount: fabric.appCount,
    certificates: agent?.certificates.map((certificate) => ({ ...certificate })) ?? [],
    trustBundleSequence: agent?.trustBundleSequence ?? 0n,
    lockReason: agent?.lock?.reason ?? "",
    lockMessage: agent?.lock?.message ?? "",
    lockedAt: agent?.lock?.at,
    clockSkewWarnSeconds: clockLimits.warnSeconds,
    clockSkewFailSeconds: clockLimits.failSeconds,
  };
}
