import { randomBytes } from "node:crypto";
import { AuthorityServiceClient } from "@drawbridge/contracts/certs/v1/authority_service";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { AgentServiceClient } from "@drawbridge/contracts/runtime/v1/agent_service";
import { FabricExistenceServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_existence_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createHeadStart, createLoop } from "@drawbridge/lifecycle";
import { parseCertificate, spkiPin } from "@drawbridge/pki";
import {
  createConfirmFabricDeletion,
  createGrpcClient,
  createGrpcServer,
  type ListenAddress,
  listening,
} from "@drawbridge/rpc";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import { createInboxCleaner, createOutboxMetrics, createOutboxRelay, openStore } from "@drawbridge/store";
import { createAgentStandings } from "./clients/agent-standings.ts";
import { createCertificateHistory } from "./clients/certificate-history.ts";
import { createFabricCertificates } from "./clients/fabric-certificates.ts";
import type { ActivationConfig } from "./config.ts";
import { createFabricConsumer } from "./consumers/fabric-consumer.ts";
import { createDischargeRevocations } from "./domain/discharge-revocations.ts";
import { createJoinStates } from "./domain/join-state.ts";
import { createTokenManagement } from "./domain/manage-tokens.ts";
import { createRedeemActivation } from "./domain/redeem-activation.ts";
import { createRecoverAgent } from "./domain/recover-agent.ts";
import { createRecoveryChallenges } from "./domain/recovery-challenge.ts";
import { createVerifyRecoveryProof } from "./domain/recovery-proof.ts";
import { createSteerRecovery } from "./domain/steer-recovery.ts";
import { createActivationLimiter } from "./rpc/activation-limiter.ts";
import { createActivationRpc } from "./rpc/activation-rpc.ts";
import { createActivationTokenRpc } from "./rpc/activation-token-rpc.ts";
import { createRecoveryAdminRpc } from "./rpc/recovery-admin-rpc.ts";
import { createRecoveryRpc } from "./rpc/recovery-rpc.ts";
import { createUnprovenRefusals } from "./rpc/unproven-refusals.ts";
import type { ActivationDatabase } from "./store/database.ts";
import { createFabricFacts } from "./store/fabric-facts.ts";
import { createRecoveries } from "./store/recoveries.ts";
import { createRecoveryStates } from "./store/recovery-states.ts";
import { createRedemptions } from "./store/redemptions.ts";
import { createRevocationDuties } from "./store/revocation-duties.ts";
import { createTokenRepository } from "./store/token-repository.ts";

export interface ActivationService extends Service {
  /** Where it listens; after the start. */
  addresses(): { readonly fabric: ListenAddress; readonly internal: ListenAddress };
}

export function createActivationService(deps: ServiceDeps<ActivationConfig>): ActivationService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  // outbound
  const foundations = createFoundations(deps, { name: "activation" });
  const { health, ops, identity, bus, peer } = foundations;
  const store = openStore<ActivationDatabase>({
    url: config.DATABASE_URL_FILE,
    schema: "activation",
    logger,
    clock,
    random,
  });
  const toCertAuthority = { ...peer, address: config.CERT_AUTHORITY_ADDRESS, expectedServer: "/cp/cert-authority" };
  const toRuntimeManager = { ...peer, address: config.RUNTIME_MANAGER_ADDRESS, expectedServer: "/cp/runtime-manager" };
  const certAuthority = createGrpcClient(CertificateAuthorityServiceClient, toCertAuthority);
  const authority = createGrpcClient(AuthorityServiceClient, toCertAuthority);
  const runtimeManager = createGrpcClient(FabricExistenceServiceClient, toRuntimeManager);
  const agents = createGrpcClient(AgentServiceClient, toRuntimeManager);
  const outbox = createOutboxRelay({ store, publish: (event) => bus.publishEvent(event), clock, logger, random });
  // domain
  const trustBundle = () => identity.holder.get().trustBundle;
  const certificates = createFabricCertificates(certAuthority);
  const dischargeRevocations = createDischargeRevocations({ duties: createRevocationDuties(store), certificates });
  const joinKeys = config.JOIN_STATE_KEY_FILE.reveal();
  const joinStates = createJoinStates(joinKeys);
  const newJoinNonce = (): Buffer => randomBytes(16);
  const redeemActivation = createRedeemActivation({
    redemptions: createRedemptions(store),
    certificates,
    dischargeRevocations,
    joinStates,
    newJoinNonce,
    clock,
    ids,
    logger,
  });
  const challenges = createRecoveryChallenges(joinKeys, randomBytes);
  const standings = createAgentStandings(agents);
  const recoveries = createRecoveries(store);
  const unprovenRefusals = createUnprovenRefusals({
    refuse: (refusal) => recoveries.refuse(refusal),
    clock,
    metrics,
    logger,
  });
  const recoverAgent = createRecoverAgent({
    recoveries,
    noteUnproven: unprovenRefusals.note,
    standings,
    history: createCertificateHistory(certAuthority, config.TRUST_DOMAIN),
    certificates,
    dischargeRevocations,
    joinStates,
    challenges,
    verifyProof: createVerifyRecoveryProof(),
    newJoinNonce,
    clock,
    logger,
  });
  const steerRecovery = createSteerRecovery({
    states: createRecoveryStates(store),
    unlock: (agentId, requestedBy, signal) => standings.unlock(agentId, requestedBy, signal),
    clock,
    logger,
  });
  const tokenManagement = createTokenManagement({
    tokens: createTokenRepository(store),
    endpoints: config.PUBLIC_ACTIVATION_ENDPOINTS,
    pins: () =>
      trustBundle().rootsDer.map((der) =>
        spkiPin(parseCertificate(der).publicKey.export({ format: "der", type: "spki" })),
      ),
    clock,
    ids,
    newSecret: () => randomBytes(32),
  });
  const startOfBus = createHeadStart(bus);
  const refusals = followRevocations(deps, foundations);
  // inbound
  const limits = {
    perAddressPerSecond: config.ACTIVATIONS_PER_SECOND_PER_ADDRESS,
    perAddressBurst: config.ACTIVATION_BURST_PER_ADDRESS,
    globalPerSecond: config.ACTIVATIONS_PER_SECOND,
  };
  const answering = {
    trustBundle,
    endpoints: {
      activation: [...config.PUBLIC_ACTIVATION_ENDPOINTS],
      tunnel: [...config.PUBLIC_TUNNEL_ENDPOINTS],
      configResolver: config.PUBLIC_CONFIG_RESOLVER_URL,
      monitoring: config.PUBLIC_MONITORING_URL,
    },
    clock,
  };
  const activationRpc = createActivationRpc({
    ...answering,
    redeemActivation,
    limiter: createActivationLimiter(limits, clock),
  });
  const recoveryRpc = createRecoveryRpc({
    ...answering,
    recoverAgent,
    challenges,
    succession: async (rootSpkiSha256, signal) => {
      const request = { rootSpkiSha256: [...rootSpkiSha256] };
      const options = { signal, idempotent: true, timeoutMs: 5_000 };
      return (await authority.call.getTrustSuccession(request, options)).links;
    },
    limiters: {
      begin: createActivationLimiter(limits, clock, "recovery"),
      complete: createActivationLimiter(limits, clock, "recovery"),
      succession: createActivationLimiter(limits, clock, "recovery"),
    },
  });
  const common = { ...foundations.listener, health };
  const fabricServer = createGrpcServer({
    ...common,
    name: "fabric",
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    clientCertificate: "none",
    services: [activationRpc, recoveryRpc],
    maxMessageBytes: 64 * 1024,
  });
  const internalServer = createGrpcServer({
    ...common,
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    clientCertificate: "required",
    revocations: refusals,
    services: [createActivationTokenRpc(tokenManagement, clock), createRecoveryAdminRpc(steerRecovery, clock)],
  });
  const consumer = createFabricConsumer({
    bus,
    facts: createFabricFacts(store),
    confirmDeletion: createConfirmFabricDeletion({ call: runtimeManager.call, logger, metrics }),
    clock,
    logger,
  });
  const revocations = createLoop({
    name: "revocation duties",
    clock,
    intervalMs: 5_000,
    pass: () => dischargeRevocations(),
    onError: (error) => {
      // Outages are logged once, by the store and the client.
      const level = isDrawbridgeError(error) && error.kind === "unavailable" ? "debug" : "error";
      logger[level]({ err: error, component: "revocation duties" }, "pass failed, will run again");
    },
  });
  const inboxCleaner = createInboxCleaner({ store, clock, logger });

  health.register("database", store.health);
  health.register("listeners", listening(fabricServer, internalServer));
  health.register("bus", bus.health, "degraded");
  health.register("outbox", outbox.health, "degraded");
  return {
    // Nothing waits for the bus but what needs it: tokens are redeemed without it too, announcements wait in the outbox.
    components: [
      telemetry,
      ops,
      startOfBus.begin,
      identity,
      store,
      unprovenRefusals,
      certAuthority,
      authority,
      agents,
      refusals,
      internalServer,
      fabricServer,
      createOutboxMetrics({ store, metrics, clock }),
      startOfBus.rest,
      outbox,
      inboxCleaner,
      revocations,
      runtimeManager,
      consumer,
    ],
    health,
    addresses: () => ({ fabric: fabricServer.address(), internal: internalServer.address() }),
  };
}
