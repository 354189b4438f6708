import {
  HealthCheckResponse_ServingStatus,
  HealthClient,
  type HealthCheckResponse,
} from "@drawbridge/contracts/grpc/health/v1/health";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Component, Health } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient, undegraded } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { PeerName } from "./peer.ts";

export interface ServiceState {
  readonly service: string;
  readonly ready: boolean;
  /** Never what is missing inside: that is for the operators of the control plane, in its log. Degraded: ready, with less. */
  readonly detail: "not ready" | "unreachable" | "degraded" | null;
}

/** Asks every service of the control plane whether it is ready. Says only that: what is missing stays inside. */
export interface StatusProbe {
  /** Ourselves first, then the others, by name. */
  probe(signal: AbortSignal): Promise<readonly ServiceState[]>;
  readonly components: readonly Component[];
}

const { SERVING } = HealthCheckResponse_ServingStatus;
const probeTimeoutMs = 2_000;

export function createStatusProbe(options: {
  /** Those that this installation has. */
  readonly addresses: Readonly<Partial<Record<PeerName, string>>>;
  readonly identity: IdentityHolder;
  readonly health: Pick<Health, "report">;
  readonly logger: Logger;
}): StatusProbe {
  const { identity, logger } = options;
  const clients = Object.entries(options.addresses)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([service, address]) => ({
      service,
      client: createGrpcClient(HealthClient, { address, identity, expectedServer: `/cp/${service}`, logger }),
    }));

  async function ask({ service, client }: (typeof clients)[number], signal: AbortSignal): Promise<ServiceState> {
    try {
      const within = { signal, timeoutMs: probeTimeoutMs };
      const [ready, whole] = await Promise.all([
        client.call.check({ service: "" }, within),
        client.call.check({ service: undegraded }, within).catch(unknownName),
      ]);
      if (ready.status !== SERVING) return stateOf(service, "not ready");
      return stateOf(service, whole.status === SERVING ? null : "degraded");
    } catch (error) {
      signal.throwIfAborted();
      const isAway = isDrawbridgeError(error) && (error.kind === "unavailable" || error.kind === "deadline_exceeded");
      return stateOf(service, isAway ? "unreachable" : "not ready");
    }
  }

  return {
    components: clients.map(({ client }) => client),
    probe: async (signal) => {
      const { ready, degraded } = options.health.report();
      const self = stateOf("management-api", ready ? (degraded ? "degraded" : null) : "not ready");
      return [self, ...(await Promise.all(clients.map((client) => ask(client, signal))))];
    },
  };
}

function stateOf(service: string, detail: ServiceState["detail"]): ServiceState {
  return { service, ready: detail === null || detail === "degraded", detail };
}

/** A service of the version before knows only the empty name. */
function unknownName(error: unknown): HealthCheckResponse {
  if (isDrawbridgeError(error, "HEALTH_SERVICE_UNKNOWN")) return { status: SERVING };
  throw error;
}
