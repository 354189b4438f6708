import { connectBus, createRevocationNews, type Bus, type ServiceName } from "@drawbridge/bus";
import type { serviceFields } from "@drawbridge/config";
import {
  createHealth,
  type Clock,
  type Component,
  type Health,
  type IdSource,
  type Random,
} from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import {
  createOpsServer,
  createRevocationList,
  createServiceIdentity,
  observeIdentity,
  type RevocationList,
  type ServiceIdentity,
} from "@drawbridge/rpc";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { z } from "zod";
import type { ServiceDeps } from "./service-deps.ts";

export type FoundationConfig = Omit<z.output<z.ZodObject<ReturnType<typeof serviceFields>>>, "DATABASE_URL_FILE">;

/** Parts to start, each where its service wants it, and what goes into its clients and listeners. */
export interface Foundations {
  readonly health: Health;
  /** /livez, /readyz, /metrics. */
  readonly ops: Component;
  /** Its health is registered: without an identity nothing is ready. */
  readonly identity: ServiceIdentity;
  /** Whether a service is ready without the bus is its own to say. */
  readonly bus: Bus;
  /** For a client of another service. */
  readonly peer: {
    readonly identity: IdentityHolder;
    readonly logger: Logger;
    readonly clock: Clock;
    readonly random: Random;
  };
  /** For a listener. */
  readonly listener: {
    readonly identity: IdentityHolder;
    readonly logger: Logger;
    readonly metrics: Metrics;
    readonly clock: Clock;
    readonly ids: IdSource;
  };
}

/** Who the service is, how it hears of others, and what it shows of itself. Nothing is started. */
export function createFoundations(
  deps: ServiceDeps<FoundationConfig>,
  service: { readonly name: ServiceName; /** Of the bus; default false. */ readonly requireDurable?: boolean },
): Foundations {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  const health = createHealth();
  const bus = connectBus({
    url: config.NATS_URL,
    credentials: config.NATS_CREDENTIALS_FILE,
    name: config.REPLICA,
    service: service.name,
    requireDurable: service.requireDurable ?? false,
    logger,
    clock,
    random,
  });
  const identity = createServiceIdentity({
    dir: config.IDENTITY_DIR,
    trustDomain: config.TRUST_DOMAIN,
    certAuthority: { address: config.CERT_AUTHORITY_ADDRESS },
    replica: config.REPLICA,
    trustNews: (onHint) => bus.subscribe("ctl.bundle", () => onHint()),
    clock,
    random,
    logger,
    ids,
  });
  observeIdentity(metrics, identity.holder);
  health.register("identity", identity.health);
  return {
    health,
    ops: createOpsServer({ listen: config.OPS_LISTEN, health, telemetry, logger }),
    identity,
    bus,
    peer: { identity: identity.holder, logger, clock, random },
    listener: { identity: identity.holder, logger, metrics, clock, ids },
  };
}

/** For listeners that ask for a certificate: whose is no longer good. Not ready before it was read once. */
export function followRevocations(
  { config, logger, telemetry, clock, random }: ServiceDeps<FoundationConfig>,
  { identity, bus, health }: Foundations,
): RevocationList & Component {
  const revocations = createRevocationList({
    source: { address: config.CERT_AUTHORITY_ADDRESS, identity: identity.holder },
    news: createRevocationNews(bus),
    clock,
    random,
    logger,
    metrics: telemetry.metrics,
  });
  health.register("revocations", revocations.health);
  health.register("revocation list age", revocations.freshness, "degraded");
  return revocations;
}
