import { randomBytes } from "node:crypto";
import { createGrantVerifier } from "@drawbridge/analytics-access";
import type { Bus, WorkQueue } from "@drawbridge/bus";
import type { Clock, Component, HealthCheck, IdSource } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { createExchangeServer, type ExchangeServer, type ListenAddress, type ProxyNetworks } from "@drawbridge/rpc";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { GatewayDoor } from "../insight/receive-exchanges.ts";
import { createDeletedFabrics } from "./deleted-fabrics.ts";
import { createIntakeLimits, type IntakeLimitOptions } from "./intake-limits.ts";
import { createBatchCounter } from "./json-batch.ts";
import { createQueueWatch } from "./queue-watch.ts";
import { createReceiveBatch } from "./receive-batch.ts";
import { createTokenGuard } from "./token-guard.ts";

export interface IntakeDeps {
  readonly listen: ListenAddress;
  readonly proxyProtocolFrom?: ProxyNetworks | undefined;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly limits: IntakeLimitOptions;
  /** Time for a body to arrive. Default 15 s. */
  readonly bodyTimeoutMs?: number;
  /** Takes captured exchanges, behind the same door and within the same limits. */
  readonly receiveExchanges: (door: GatewayDoor) => ReturnType<typeof createReceiveBatch>;
  readonly identity: IdentityHolder;
  readonly bus: Bus;
  readonly queue: WorkQueue;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** Where batches come in: from TLS into the queue. */
export interface Intake {
  /** In start order. They may start before the bus: until it is there, batches are refused with 503. */
  readonly components: readonly Component[];
  readonly server: ExchangeServer;
  /** Why gateways have to wait. */
  readonly health: HealthCheck;
}

export function createIntake(deps: IntakeDeps): Intake {
  const { bus, queue, identity, logger, metrics, clock, ids } = deps;
  const queueWatch = createQueueWatch({ queue, bus, clock, logger, metrics });
  const deletedFabrics = createDeletedFabrics({ bus, clock, logger });
  const verifier = createGrantVerifier({ trustBundle: () => identity.get().trustBundle, clock });
  const door: GatewayDoor = {
    guard: createTokenGuard({ verifier, clock }),
    deletedFabrics,
    limits: createIntakeLimits(deps.limits, { clock, metrics }),
    bodyTimeoutMs: deps.bodyTimeoutMs ?? 15_000,
  };
  const receiveBatch = createReceiveBatch({
    ...door,
    queueWatch,
    queue,
    nameBatch: createBatchCounter(() => randomBytes(8).readBigUInt64BE()),
    clock,
    metrics,
  });
  const server = createExchangeServer({
    name: "fabric",
    listen: deps.listen,
    identity,
    routes: {
      "POST /v1/analytics/batches": receiveBatch,
      "POST /v1/insight/exchanges": deps.receiveExchanges(door),
    },
    admission: { connections: deps.connections },
    connectionsPerAddress: deps.connectionsPerAddress,
    proxyProtocolFrom: deps.proxyProtocolFrom,
    logger,
    metrics,
    clock,
    ids,
  });
  return {
    components: [queueWatch, deletedFabrics, server],
    server,
    health: () => queueWatch.health() ?? deletedFabrics.health(),
  };
}
