import type { HeldCertificate } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource, Random } from "@drawbridge/lifecycle";
import { parseSpiffeId, spiffeId } from "@drawbridge/pki";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import type { ClockSkew } from "../clock/clock-skew.ts";
import type { AgentCredentials } from "../identity/agent-credentials.ts";
import type { IdentityMeta } from "../identity/identity-meta.ts";
import type { IdentityStore } from "../identity/identity-store.ts";
import type { StateLayout } from "../state/state-layout.ts";
import type { TunnelClient } from "../tunnel/tunnel-client.ts";
import type { TrustBundleOffer, TunnelEvent } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { createCertificateRenewer, type Held, type RenewalTarget } from "./certificate-renewer.ts";
import { createIdentityChoice } from "./identity-choice.ts";
import { createPendingRenewalStore } from "./pending-renewal.ts";
import { createRenewCalls, purposeToProto } from "./renew-calls.ts";
import { raiseRenewalAlerts } from "./renewal-alerts.ts";
import { createRenewalLoop, type RenewalLoop } from "./renewal-loop.ts";

export interface RenewalDeps {
  readonly layout: Pick<StateLayout, "identity" | "monitoring">;
  readonly identities: IdentityStore;
  readonly monitoring: IdentityStore;
  readonly credentials: AgentCredentials;
  readonly skew: Pick<ClockSkew, "possibleNows">;
  readonly tunnel: () => Pick<TunnelClient, "session" | "changeOver">;
  readonly adoptTrustBundle: (offer: TrustBundleOffer, session: TunnelSession) => Promise<void>;
  readonly alerts: AlertBoard;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly logger: Logger;
}

/** Everything that keeps the fabric's certificates young. */
export interface Renewal {
  readonly loop: RenewalLoop;
  /** Read what an earlier process left: before the first connection. */
  resume(): Promise<void>;
  /** The identity was replaced by a recovery: look at the files again. */
  reload(): Promise<void>;
  held(): readonly Held[];
  heldForProto(): readonly HeldCertificate[];
  /** With which certificate to dial now. */
  choose(): "current" | "candidate";
  lastChoice(): "current" | "candidate";
  /** The candidate was welcomed. */
  candidateWorked(): Promise<void>;
  hear(event: Extract<TunnelEvent, { event: "renewed" | "renewNow" }>): void;
  /** Renew both now. */
  forceAll(): void;
  /** The trust bundle was replaced: a certificate whose root it dropped is renewed at once. */
  trustChanged(): void;
  refreshAlerts(): void;
}

export function createRenewal(deps: RenewalDeps): Renewal {
  const { credentials, identities, skew, alerts, clock, logger } = deps;
  const calls = createRenewCalls({ clock });
  const choice = createIdentityChoice(() => credentials.candidate() !== undefined);
  const renewals = deps.metrics.counter("renewals", { description: "renewals of certificates by outcome" });
  let monitoringMeta: IdentityMeta | undefined;
  let isMonitoringLost = false;

  const tunnelTarget: RenewalTarget = {
    purpose: "tunnel",
    store: identities,
    pending: createPendingRenewalStore({ directory: deps.layout.identity, clock, logger }),
    meta: () => credentials.meta(),
    offer(staged) {
      credentials.offer(staged);
      choice.reset();
    },
    async install(staged) {
      const isInUse = (): boolean => credentials.meta().generation === staged.meta.generation;
      if (!isInUse()) {
        tunnelTarget.offer(staged);
        await deps.tunnel().changeOver("renewal");
      }
      if (!isInUse()) throw notTried();
      await identities.commit(staged.meta.generation); // done already, but for a full disk
    },
  };
  const monitoringTarget: RenewalTarget = {
    purpose: "monitoring",
    store: deps.monitoring,
    pending: createPendingRenewalStore({ directory: deps.layout.monitoring, clock, logger }),
    meta: () => monitoringMeta ?? (isMonitoringLost ? lostMonitoring(credentials.meta()) : undefined),
    offer: () => undefined, // the collector takes what the link names
    async install(staged) {
      await deps.monitoring.commit(staged.meta.generation);
      monitoringMeta = staged.meta;
      isMonitoringLost = false;
    },
  };
  const common = {
    calls,
    session: () => deps.tunnel().session(),
    trustBundle: () => credentials.trustBundle(),
    adoptTrustBundle: deps.adoptTrustBundle,
    possibleNows: () => skew.possibleNows(),
    onResult: (purpose: Held["purpose"], result: "renewed" | "failed") => renewals.add(1, { purpose, result }),
    clock,
    random: deps.random,
    ids: deps.ids,
    logger,
  };
  const tunnelRenewer = createCertificateRenewer({ ...common, target: tunnelTarget });
  const monitoringRenewer = createCertificateRenewer({ ...common, target: monitoringTarget });
  const renewers = [tunnelRenewer, monitoringRenewer];
  const loop = createRenewalLoop({ renewers, onLooked: refreshAlerts, clock });

  function held(): readonly Held[] {
    return renewers.flatMap((renewer) => renewer.held() ?? []);
  }

  function refreshAlerts(): void {
    raiseRenewalAlerts(held(), alerts, skew.possibleNows()[0] ?? clock.now());
  }

  async function reload(): Promise<void> {
    monitoringMeta = (await deps.monitoring.load())?.meta;
    isMonitoringLost = monitoringMeta === undefined;
    for (const renewer of renewers) await renewer.resume();
  }

  return {
    loop,
    resume: reload,
    reload,
    held,
    heldForProto: () =>
      held().map(({ purpose, meta, renewAt, lastFailure }) => ({
        purpose: purposeToProto[purpose],
        serialNumber: meta.serialNumber,
        notAfter: new Date(meta.notAfter),
        renewAt,
        lastFailure,
      })),
    choose: () => choice.next(),
    lastChoice: () => choice.last(),
    async candidateWorked() {
      const worked = credentials.candidate();
      if (worked === undefined) return;
      credentials.promote();
      // Without room on the disk the new one is used all the same: the control plane knows it now. The renewer tries again.
      await identities
        .commit(worked.meta.generation)
        .catch((error: unknown) =>
          logger.error({ err: error }, "the renewed certificate cannot be made the current one"),
        );
      loop.wake();
    },
    hear(event) {
      if (event.event === "renewed") return calls.answer(event.answer);
      for (const renewer of renewers) {
        const serialNumber = renewer.held()?.meta.serialNumber;
        if (serialNumber !== undefined && event.serialNumbers.includes(serialNumber))
          renewer.force(deps.random.next() * event.withinMs);
      }
      loop.wake();
    },
    forceAll() {
      for (const renewer of renewers) renewer.force(0);
      loop.wake();
    },
    trustChanged() {
      try {
        credentials.snapshot();
      } catch (error) {
        if (isDrawbridgeError(error, "CERTIFICATE_CHAIN_INVALID")) tunnelRenewer.force(0);
      }
      loop.wake();
    },
    refreshAlerts,
  };
}

function notTried(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "RENEWAL_NOT_TRIED",
    message: "the tunnel was opened anew with the present certificate, not with the renewed one",
  });
}

/** A monitoring certificate that cannot be read any more: due at once, with no serial number to renew. */
function lostMonitoring(tunnel: IdentityMeta): IdentityMeta {
  const never = new Date(0).toISOString();
  return {
    ...tunnel,
    generation: 0, // of none that is stored
    spiffeId: collectorOf(tunnel.spiffeId),
    serialNumber: "",
    notBefore: never,
    notAfter: never,
    createdAt: never,
  };
}

function collectorOf(agent: string): string {
  const identity = parseSpiffeId(agent);
  if (identity.kind !== "agent") throw new Error("the tunnel's certificate is an agent's");
  const { trustDomain, org, fabricId } = identity;
  return spiffeId.collector({ trustDomain, org, fabricId });
}
