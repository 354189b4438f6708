import type { Bus } from "@drawbridge/bus";
import { AgentServiceClient } from "@drawbridge/contracts/runtime/v1/agent_service";
import type { Clock, Component, IdSource, Random } from "@drawbridge/lifecycle";
import { assertLeafTtl, type IdentityHolder, type KeyEncryptionKeys } from "@drawbridge/pki";
import { createGrpcClient, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import { createReadFollowers } from "../clients/trust-followers.ts";
import type { CertAuthorityConfig } from "../config.ts";
import type { IssuingChoice } from "../domain/issue-certificate.ts";
import { planRaise } from "../domain/raise-sequence.ts";
import type { SuccessionLink } from "../domain/trust-succession.ts";
import { createAuthorityRpc } from "../rpc/authority-rpc.ts";
import { createAuthorityStatus } from "../rpc/authority-status.ts";
import { createAcknowledgementRepository } from "../store/acknowledgement-repository.ts";
import { openCaKeys, readAuthorityState, readAuthorityVersion } from "../store/ca-key-repository.ts";
import {
  countLiveCertificates,
  issuersOf,
  lastLeafEndsAt,
  lastRotationRequest,
  readSuccession,
  revokedCollectors,
} from "../store/rotation-repository.ts";
import type { CertificateRepository } from "../store/certificate-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";
import { createAuthority, type Authority } from "./authority.ts";
import { createAuthorityClock } from "./authority-clock.ts";
import { createIssuingKeeper, createRotationKeeper } from "./authority-keeper.ts";
import { createAuthorityWatch, type AuthorityWatch } from "./authority-watch.ts";
import { byItself, createChangeAuthority } from "./change-authority.ts";

export interface WireAuthorityDeps {
  readonly config: CertAuthorityConfig;
  readonly keks: KeyEncryptionKeys;
  readonly store: Store<CertAuthorityDb>;
  readonly certificates: Pick<CertificateRepository, "noteUse">;
  readonly bus: Bus;
  readonly identity: IdentityHolder;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export interface WiredAuthority {
  readonly authority: Authority;
  /** What is wrong with the clocks by which keys change. */
  readonly clockHealth: () => string | undefined;
  readonly watch: AuthorityWatch;
  readonly issuing: IssuingChoice;
  readonly rpc: GrpcServiceDefinition;
  /** Give the trust bundle a number above one that followers have seen, unless it has. Answers whether it was needed. */
  readonly raiseBundle: (above: bigint) => Promise<boolean>;
  /** Every change of the trust bundle, oldest first. */
  readonly readSuccession: () => Promise<readonly SuccessionLink[]>;
  /** Who changes the keys, and what that needs: they work without the bus. The watch is to start after it. */
  readonly keepers: readonly Component[];
}

/** Everything about the CA's own keys: what is loaded, who replaces it, who asks. */
export function wireAuthority(deps: WireAuthorityDeps): WiredAuthority {
  const { config, keks, store, logger, clock, random, ids } = deps;
  const issuingTtlSeconds = config.ISSUING_CA_TTL_SECONDS;
  const isDrill = config.LEAF_TTL_MODE === "drill";
  assertLeafTtl({ ttlSeconds: config.LEAF_TTL_SECONDS, mode: config.LEAF_TTL_MODE, issuingTtlSeconds });
  const times = {
    graceSeconds: config.ROTATION_GRACE_SECONDS,
    retirementDelaySeconds: config.ROOT_RETIREMENT_DELAY_SECONDS,
  };

  // outbound
  const runtimeManager = createGrpcClient(AgentServiceClient, {
    address: config.RUNTIME_MANAGER_ADDRESS,
    identity: deps.identity,
    expectedServer: "/cp/runtime-manager",
    logger,
    clock,
    random,
  });
  const acknowledgements = createAcknowledgementRepository(store);
  // A replica may be as late as this; the issuing CA's last sixth of life is what it has.
  const pollIntervalMs = Math.min(1_000, Math.ceil((issuingTtlSeconds * 1_000) / 60));
  const authority = createAuthority({
    source: {
      state: () => readAuthorityState(store.db),
      version: () => readAuthorityVersion(store.db),
      openKeys: (keyIds) => openCaKeys(store.db, keyIds, keks),
    },
    trustDomain: config.TRUST_DOMAIN,
    pollIntervalMs,
    clock,
    random,
    logger,
  });
  const watch = createAuthorityWatch({ bus: deps.bus, authority, clock, logger });

  // domain
  const authorityClock = createAuthorityClock({ clock, logger });
  const readTime = () => authorityClock.read(store.db);
  const changeAuthority = createChangeAuthority({ store, keks, issuingTtlSeconds, times, authorityClock, ids });
  const issuersOfSerials = (serials: readonly string[]) => issuersOf(store.db, serials);
  const readFollowers = createReadFollowers({
    acknowledgements,
    runtimeManager: runtimeManager.call,
    issuersOf: issuersOfSerials,
  });
  const keeping = {
    authority,
    changeAuthority,
    readFollowers,
    lastLeafEndsAt: (options: Parameters<typeof lastLeafEndsAt>[1]) => lastLeafEndsAt(store.db, options),
    acknowledgements,
    readTime,
    times,
    clock,
    logger,
  };

  const succession = (): Promise<readonly SuccessionLink[]> => readSuccession(store.db);

  // inbound
  const rpc = createAuthorityRpc({
    authority,
    changeAuthority,
    readStatus: createAuthorityStatus({
      authority,
      readFollowers,
      countLive: (now) => countLiveCertificates(store.db, now),
      newerSequence: () => watch.newerSequence(),
      times,
      readTime,
    }),
    readFollowers,
    readSuccession: succession,
    lastRotationRequest: () => lastRotationRequest(store.db),
    acknowledgements,
    certificates: deps.certificates,
    issuersOf: issuersOfSerials,
    revokedCollectors: (options) => revokedCollectors(store.db, options),
    assertCurrent: () => watch.assertCurrent(),
    sawSequence: (sequence) => watch.saw(sequence),
    clock,
    logger,
  });

  deps.metrics.gauge("trust_bundle_sequence", { description: "of the trust bundle in use" }, () =>
    authority.isLoaded() ? [[Number(authority.get().state.sequence), {}]] : [],
  );
  deps.metrics.gauge("ca_state_behind", { description: "1: the record is older than the trust bundle in use" }, () =>
    authority.isLoaded() && watch.newerSequence() !== undefined ? 1 : 0,
  );
  deps.metrics.gauge(
    "clock_difference_seconds",
    { description: "how far this replica's clock is from PostgreSQL's; above 300 no CA key changes" },
    () => Math.abs(authorityClock.aheadMs() ?? 0) / 1_000,
  );
  deps.metrics.gauge(
    "rotation_seconds",
    { description: "how long the phase of a rotation lasts; 0 in standby" },
    () => {
      const rotation = authority.isLoaded() ? authority.get().state.rotation : undefined;
      return rotation && rotation.phase !== "standby" ? (clock.now().getTime() - rotation.since.getTime()) / 1_000 : 0;
    },
  );

  return {
    authority,
    clockHealth: () => authorityClock.health(),
    watch,
    readSuccession: succession,
    raiseBundle: async (above) => {
      if (authority.get().state.sequence >= above) return false;
      const rootPins = await watch.recordedRoots();
      const raised = await changeAuthority((state) => planRaise(state, { sequence: above, rootPins }), byItself);
      if (raised) await authority.refresh(); // which tells who follows
      return raised !== undefined;
    },
    issuing: {
      issuerFor: (audience) => {
        watch.assertCurrent();
        return authority.get().issuingFor(audience);
      },
      refresh: () => authority.refresh(),
    },
    rpc,
    keepers: [
      runtimeManager,
      createIssuingKeeper({ ...keeping, intervalMs: pollIntervalMs }),
      createRotationKeeper({ ...keeping, intervalMs: isDrill ? 500 : 10_000 }),
    ],
  };
}
