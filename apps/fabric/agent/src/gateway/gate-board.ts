import type { GateReport } from "@drawbridge/contracts/gateway/v1/gateway_service";
import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";

/** How the gates of apps stand, as the gateways said last. */
export interface GateBoard {
  take(gatewayId: string, report: GateReport): void;
  /** A gateway is gone for good. */
  forget(gatewayId: string): void;
  /** Of all gateways; none for an app without tracked resources. */
  of(appId: string): readonly GateStatus[];
}

/** More than a gateway says: 100 APIs of a manifest for two deployments. */
const gatesPerApp = 200;
const sentenceCharacters = 1_000;

export function createGateBoard(onChange: () => void): GateBoard {
  const gateways = new Map<string, Map<string, readonly GateStatus[]>>();
  return {
    take: (gatewayId, { complete, apps }) => {
      const before = complete ? undefined : gateways.get(gatewayId);
      const gates = before ?? new Map<string, readonly GateStatus[]>();
      for (const app of apps) {
        if (app.gates.length === 0) gates.delete(app.appId);
        else
          gates.set(
            app.appId,
            app.gates.slice(0, gatesPerApp).map((gate) => bounded(gatewayId, gate)),
          );
      }
      gateways.set(gatewayId, gates);
      onChange();
    },
    forget: (gatewayId) => {
      if (gateways.delete(gatewayId)) onChange();
    },
    of: (appId) => [...gateways.values()].flatMap((gates) => gates.get(appId) ?? []),
  };
}

/** Under the name that the gateway gave itself at its Hello. */
function bounded(gatewayId: string, gate: GateStatus): GateStatus {
  return { ...gate, gatewayId, message: gate.message.slice(0, sentenceCharacters) };
}
