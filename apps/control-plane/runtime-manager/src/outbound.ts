import { ConfigurationServiceClient } from "@drawbridge/contracts/apis/v1/configuration_service";
import { RouteServiceClient } from "@drawbridge/contracts/apis/v1/route_service";
import { AuthorityServiceClient } from "@drawbridge/contracts/certs/v1/authority_service";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import type { Component } from "@drawbridge/lifecycle";
import { createGrpcClient } from "@drawbridge/rpc";
import type { Foundations, ServiceDeps } from "@drawbridge/service";
import { openStore, type Store } from "@drawbridge/store";
import { createApiManager, type ApiManager } from "./clients/api-manager.ts";
import { createCertificateAuthority, type CertificateAuthority } from "./clients/certificate-authority.ts";
import type { RuntimeManagerConfig } from "./config.ts";
import type { RuntimeDatabase } from "./store/schema.ts";

/** Everything that this service talks to besides the bus. */
export interface Outbound {
  readonly store: Store<RuntimeDatabase>;
  readonly certificateAuthority: CertificateAuthority;
  readonly apiManager: ApiManager;
  /** The clients behind the last two, in start order. */
  readonly components: readonly Component[];
}

/** An answer holds up to 4 MiB of objects. */
const apiManagerMessageBytes = 8 * 1024 * 1024;

export function createOutbound(
  { config, logger, clock, random }: ServiceDeps<RuntimeManagerConfig>,
  { peer }: Foundations,
): Outbound {
  const store = openStore<RuntimeDatabase>({
    url: config.DATABASE_URL_FILE,
    schema: "runtime_manager",
    logger,
    maxConnections: config.DATABASE_CONNECTIONS,
    clock,
    random,
  });
  const toAuthority = {
    address: config.CERT_AUTHORITY_ADDRESS,
    expectedServer: "/cp/cert-authority",
    ...peer,
  };
  const authorityClient = createGrpcClient(CertificateAuthorityServiceClient, toAuthority);
  const rotationClient = createGrpcClient(AuthorityServiceClient, toAuthority);
  const certificateAuthority = createCertificateAuthority(authorityClient.call, rotationClient.call);
  const toApiManager = config.API_MANAGER_ADDRESS !== undefined && {
    address: config.API_MANAGER_ADDRESS,
    expectedServer: "/cp/api-manager",
    maxMessageBytes: apiManagerMessageBytes,
    ...peer,
  };
  const configurationClient = toApiManager ? createGrpcClient(ConfigurationServiceClient, toApiManager) : undefined;
  const routeClient = toApiManager ? createGrpcClient(RouteServiceClient, toApiManager) : undefined;
  return {
    store,
    certificateAuthority,
    apiManager: createApiManager(
      configurationClient && routeClient && { ...configurationClient.call, ...routeClient.call },
    ),
    components: [
      authorityClient,
      rotationClient,
      ...(configurationClient ? [configurationClient] : []),
      ...(routeClient ? [routeClient] : []),
    ],
  };
}
