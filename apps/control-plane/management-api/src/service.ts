import { createHttpServer, type HttpServer } from "@drawbridge/rpc";
import { createFoundations, type Service, type ServiceDeps } from "@drawbridge/service";
import { createInboxCleaner, openStore } from "@drawbridge/store";
import { createAccountService } from "./account/account-service.ts";
import { createBootstrapAdministrator } from "./account/bootstrap-administrator.ts";
import { createLoginGate } from "./account/login-gate.ts";
import { createTokenCleaner } from "./account/token-cleaner.ts";
import { createAuditTrail } from "./audit/audit-trail.ts";
import { createBundleTransfer } from "./clients/bundle-transfer.ts";
import { createPeers } from "./clients/peers.ts";
import { createStatusProbe } from "./clients/status-probe.ts";
import type { ManagementApiConfig } from "./config.ts";
import { createAuditConsumers } from "./consumers/audit-consumers.ts";
import { createPasswordHasher, type ScryptCost } from "./credentials/password-hash.ts";
import { createAuthenticator } from "./http/authentication.ts";
import { allRoutes } from "./http/all-routes.ts";
import { registerRoutes } from "./http/register-routes.ts";
import { createAccessTokenRepository } from "./store/access-token-repository.ts";
import { createAuditRepository } from "./store/audit-repository.ts";
import type { Database } from "./store/database.ts";
import { createEnvironmentRepository } from "./store/environment-repository.ts";
import { createUserRepository } from "./store/user-repository.ts";

export interface ManagementApiDeps extends ServiceDeps<ManagementApiConfig> {
  /** Default: what stands up to an attacker who has the hashes. */
  readonly passwordCost?: ScryptCost;
}

export interface ManagementApiService extends Service {
  /** Where the REST API listens; after the start. */
  address(): ReturnType<HttpServer["address"]>;
}

/** An upload on a slow line takes its time; other bodies have half a minute (`register-routes.ts`). */
const requestTimeoutMs = 3_600_000;
/** Room for a configuration of 1 MiB, which JSON makes longer. */
const bodyLimitBytes = 1024 * 1024;

export function createManagementApiService(deps: ManagementApiDeps): ManagementApiService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const stopping = new AbortController();

  // outbound
  const store = openStore<Database>({ url: config.DATABASE_URL_FILE, schema: "management_api", logger, clock, random });
  const foundations = createFoundations(deps, { name: "management-api" });
  const { health, ops, identity, bus } = foundations;
  const { holder } = identity;
  const peers = createPeers({
    identity: holder,
    logger,
    addresses: {
      runtimeManager: config.RUNTIME_MANAGER_ADDRESS,
      activation: config.ACTIVATION_ADDRESS,
      configResolver: config.CONFIG_RESOLVER_ADDRESS,
      certAuthority: config.CERT_AUTHORITY_ADDRESS,
      monitoringIngest: config.MONITORING_INGEST_ADDRESS,
      apiManager: config.API_MANAGER_ADDRESS,
      analyticsIngest: config.ANALYTICS_INGEST_ADDRESS,
      alerting: config.ALERTING_ADDRESS,
    },
  });
  const bundles = createBundleTransfer({ address: config.BUNDLE_UPLOAD_ADDRESS, identity: holder });
  const status = createStatusProbe({
    addresses: {
      activation: config.ACTIVATION_ADDRESS,
      "cert-authority": config.CERT_AUTHORITY_ADDRESS,
      "config-resolver": config.CONFIG_RESOLVER_ADDRESS,
      "runtime-manager": config.RUNTIME_MANAGER_ADDRESS,
      ...(config.MONITORING_INGEST_ADDRESS === undefined
        ? {}
        : { "monitoring-ingest": config.MONITORING_INGEST_ADDRESS }),
      ...(config.API_MANAGER_ADDRESS === undefined ? {} : { "api-manager": config.API_MANAGER_ADDRESS }),
      ...(config.ANALYTICS_INGEST_ADDRESS === undefined ? {} : { "analytics-ingest": config.ANALYTICS_INGEST_ADDRESS }),
      ...(config.ALERTING_ADDRESS === undefined ? {} : { alerting: config.ALERTING_ADDRESS }),
    },
    identity: holder,
    health,
    logger,
  });
  const users = createUserRepository(store);
  const tokens = createAccessTokenRepository(store);
  const environments = createEnvironmentRepository(store);
  const audit = createAuditRepository(store);

  // domain
  const passwords = createPasswordHasher(deps.passwordCost ? { cost: deps.passwordCost } : {});
  const accounts = createAccountService({ users, tokens, passwords, gate: createLoginGate({ clock }), clock, ids });
  const trail = createAuditTrail({ store, repository: audit, clock, ids, logger });
  const bootstrap = createBootstrapAdministrator({
    users,
    passwords,
    password: config.BOOTSTRAP_ADMIN_PASSWORD_FILE,
    trail,
    clock,
    ids,
    logger,
  });

  // inbound
  const routes = allRoutes({
    org: config.ORGANISATION,
    accounts,
    environments,
    audit,
    ...peers,
    bundles,
    status,
    trustBundle: () => holder.get().trustBundle,
    stopping: stopping.signal,
    clock,
    ids,
  });
  const api = createHttpServer({
    name: "api",
    listen: config.LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    ...foundations.listener,
    clientCertificate: "none",
    allow: ["anyone"],
    register: (app) =>
      registerRoutes(app, {
        routes,
        authenticate: createAuthenticator({ tokens, clock }),
        trail,
        trustBundleSequence: () => holder.get().trustBundle.sequence,
        rates: {
          perAddress: config.RATE_PER_ADDRESS,
          perToken: config.RATE_PER_TOKEN,
          refusedPerAddress: config.RATE_REFUSED_PER_ADDRESS,
        },
        clock,
        ids,
        logger,
      }),
    bodyLimitBytes,
    requestTimeoutMs,
  });
  const consumers = createAuditConsumers({ bus, store, audit, clock, logger });

  let isListening = false;
  health.register("api", () => (isListening ? undefined : "does not listen yet"));
  health.register("database", store.health);
  health.register("bus", bus.health, "degraded");

  return {
    // Start order; stop runs it backwards. The bus comes after the API, which does not wait for it.
    components: [
      telemetry,
      ops,
      store,
      identity,
      bootstrap,
      ...peers.components,
      ...status.components,
      bundles,
      trail,
      createTokenCleaner({ tokens, clock, logger }),
      api,
      {
        name: "log streams",
        start: async () => {
          isListening = true;
        },
        // Followed logs have no end of their own: without this the API would wait for them until the deadline.
        stop: async () => stopping.abort(new Error("stopping")),
      },
      bus,
      createInboxCleaner({ store, clock, logger }),
      ...consumers,
    ],
    health,
    address: () => api.address(),
  };
}
