import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Logger } from "@drawbridge/telemetry";
import type { ConfigurationMarks } from "./api-configuration/configuration-marks.ts";
import type { CertificateAuthority } from "./clients/certificate-authority.ts";
import type { DesiredHints } from "./control/desired-hints.ts";
import { refreshIntervalMs, type OwnerDirectory } from "./control/owner-directory.ts";
import type { CertificateRepository } from "./store/certificates.ts";
import type { DutyRepository } from "./store/duties.ts";
import type { FabricRepository } from "./store/fabrics.ts";
import type { SessionRepository } from "./store/sessions.ts";
import type { AskToRenew } from "./tunnel/ask-to-renew.ts";
import type { TrustBundleKeeper } from "./tunnel/trust-bundle-keeper.ts";
import type { TunnelSettings } from "./tunnel/settings.ts";
import type { Supervisor } from "./tunnel/supervise.ts";

export interface LoopDeps {
  readonly supervisor: Supervisor;
  readonly hints: Pick<DesiredHints, "reconcile">;
  readonly marks: Pick<ConfigurationMarks, "reconcile">;
  readonly owners: Pick<OwnerDirectory, "refresh">;
  readonly sessions: Pick<SessionRepository, "giveUpOnSilent">;
  readonly fabrics: Pick<FabricRepository, "countAgents">;
  readonly duties: DutyRepository;
  readonly certificateAuthority: Pick<CertificateAuthority, "revoke">;
  readonly certificates: Pick<CertificateRepository, "forgetExpired">;
  readonly reviewAlerts: () => Promise<number>;
  readonly trustBundle: Pick<TrustBundleKeeper, "refresh">;
  readonly askToRenew: AskToRenew;
  readonly forgetRequests: (before: Date) => Promise<number>;
  readonly onAgentsCounted: (agents: number) => void;
  readonly settings: TunnelSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Answers to requests are kept for a day: no client retries for longer. */
const requestLifeMs = 86_400_000;
const dutiesPerPass = 100;
/** A lock reaches its tunnel by the bus at once; without the bus within this. */
const lockCheckMs = 2_000;
const alertReviewMs = 1_000;
export const alertsPerPass = 200;
/** Hints come by the bus; this is for when they do not. */
const trustBundleMs = 10_000;
const rotationMs = 15_000;

/** Everything that runs again and again. */
export function createLoops(deps: LoopDeps): readonly Component[] {
  const { supervisor, settings, clock, logger } = deps;
  const loop = (name: string, intervalMs: number, pass: () => Promise<unknown>): Component =>
    createLoop({
      name,
      clock,
      intervalMs,
      pass: async () => void (await pass()),
      onError: (error) => {
        // Outages are logged once, by the store and the bus.
        const level = isDrawbridgeError(error) && error.kind === "unavailable" ? "debug" : "error";
        logger[level]({ err: error, component: name }, "pass failed, will run again");
      },
    });

  /** Signs of life of this replica's agents are written before anybody is given up on. */
  async function flushThenSweep(): Promise<void> {
    await supervisor.flushSeen();
    await deps.sessions.giveUpOnSilent({
      unreachableAfterMs: settings.deadAfterMs,
      disconnectedAfterMs: settings.disconnectedAfterMs,
      at: clock.now(),
    });
  }

  async function doDuties(): Promise<void> {
    for (const duty of await deps.duties.list(dutiesPerPass)) {
      await deps.certificateAuthority.revoke(duty);
      await deps.duties.done(duty.dutyId);
    }
  }

  /** Until nothing is due: after an outage of the whole there may be much. */
  async function reviewAlerts(): Promise<void> {
    while ((await deps.reviewAlerts()) === alertsPerPass);
  }

  async function forgetOld(): Promise<void> {
    const now = clock.now();
    await deps.forgetRequests(new Date(now.getTime() - requestLifeMs));
    await deps.certificates.forgetExpired(now);
  }

  return [
    loop("tunnel tick", Math.min(1_000, settings.deadAfterMs / 4), () => Promise.resolve(supervisor.tick())),
    loop("liveness", Math.min(settings.seenFlushMs, settings.deadAfterMs / 4), flushThenSweep),
    loop("reconcile", settings.heartbeatMs, () => deps.hints.reconcile()),
    loop("api configuration", settings.heartbeatMs, () => deps.marks.reconcile()),
    loop("identity check", settings.identityCheckMs, () => supervisor.checkIdentities()),
    loop("locks", lockCheckMs, () => supervisor.endLocked()),
    loop("alerts", alertReviewMs, reviewAlerts),
    loop("trust bundle", Math.min(trustBundleMs, settings.heartbeatMs), () => deps.trustBundle.refresh()),
    loop("rotation", rotationMs, () => deps.askToRenew()),
    loop("tunnel owners", refreshIntervalMs, () => deps.owners.refresh()),
    loop("agent count", 30_000, async () => deps.onAgentsCounted(await deps.fabrics.countAgents())),
    loop("revocation duties", 5_000, doDuties),
    loop("forgetting", 3_600_000, forgetOld),
  ];
}
