import { connectBus, type Bus } from "@drawbridge/bus";
import { ConfigurationServiceClient } from "@drawbridge/contracts/apis/v1/configuration_service";
import { AuthorityServiceClient } from "@drawbridge/contracts/certs/v1/authority_service";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import type { Component } from "@drawbridge/lifecycle";
import { createGrpcClient, createServiceIdentity, type ServiceIdentity } from "@drawbridge/rpc";
import { openStore, type Store } from "@drawbridge/store";
import { createApiManager, type ApiManager } from "./clients/api-manager.ts";
import { createCertificateAuthority, type CertificateAuthority } from "./clients/certificate-authority.ts";
import type { RuntimeManagerDeps } from "./service.ts";
import type { RuntimeDatabase } from "./store/schema.ts";

/** Everything that this service talks to, and who it is there. */
export interface Outbound {
  readonly identity: ServiceIdentity;
  readonly store: Store<RuntimeDatabase>;
  readonly bus: Bus & Component;
  readonly certificateAuthority: CertificateAuthority;
  readonly apiManager: ApiManager;
  /** The clients behind the last two, in start order. */
  readonly components: readonly Component[];
}

/** An answer holds up to 4 MiB of objects. */
const apiManagerMessageBytes = 8 * 1024 * 1024;

export function createOutbound({ config, logger, clock, random, ids }: RuntimeManagerDeps): Outbound {
  const identity = createServiceIdentity({
    dir: config.IDENTITY_DIR,
    trustDomain: config.TRUST_DOMAIN,
    certAuthority: { address: config.CERT_AUTHORITY_ADDRESS },
    replica: config.REPLICA,
    trustNews: (onHint) => bus.subscribe("ctl.bundle", () => onHint()),
    logger,
    clock,
    random,
    ids,
  });
  const store = openStore<RuntimeDatabase>({
    url: config.DATABASE_URL_FILE,
    schema: "runtime_manager",
    logger,
    maxConnections: config.DATABASE_CONNECTIONS,
    clock,
    random,
  });
  const bus = connectBus({
    url: config.NATS_URL,
    credentials: config.NATS_CREDENTIALS_FILE,
    name: config.REPLICA,
    service: "runtime-manager",
    logger,
    clock,
    random,
  });
  const toAuthority = {
    address: config.CERT_AUTHORITY_ADDRESS,
    identity: identity.holder,
    expectedServer: "/cp/cert-authority",
    logger,
    clock,
    random,
  };
  const authorityClient = createGrpcClient(CertificateAuthorityServiceClient, toAuthority);
  const rotationClient = createGrpcClient(AuthorityServiceClient, toAuthority);
  const certificateAuthority = createCertificateAuthority(authorityClient.call, rotationClient.call);
  const apiManagerClient =
    config.API_MANAGER_ADDRESS === undefined
      ? undefined
      : createGrpcClient(ConfigurationServiceClient, {
          address: config.API_MANAGER_ADDRESS,
          identity: identity.holder,
          expectedServer: "/cp/api-manager",
          maxMessageBytes: apiManagerMessageBytes,
          logger,
          clock,
          random,
        });
  return {
    identity,
    store,
    bus,
    certificateAuthority,
    apiManager: createApiManager(apiManagerClient?.call),
    components: [authorityClient, rotationClient, ...(apiManagerClient ? [apiManagerClient] : [])],
  };
}
