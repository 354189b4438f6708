import type { HealthAlert, HeldCertificate } from "./fabric.ts";

const reasons = {
  locked: "AgentLocked",
  critical: "CertificateExpiryCritical",
  expiring: "CertificateExpiring",
  renewalFailing: "RenewalFailing",
  bundleBehind: "TrustBundleBehind",
  clockSkew: "ClockSkew",
} as const;

/** What is known of a fabric's agent when its alerts are looked at. */
export interface AgentFacts {
  /** As the agent reports them. */
  readonly own: readonly HealthAlert[];
  readonly certificates: readonly HeldCertificate[];
  /** The certificate on the tunnel; its start is known from the authority. */
  readonly tunnel: { readonly serialNumber: string; readonly notBefore: Date | undefined; readonly notAfter: Date };
  readonly clockSkewMs: number;
  /** Alert above it. */
  readonly clockSkewWarnSeconds: number;
  readonly acknowledgedSequence: bigint;
  readonly newestBundle: { readonly sequence: bigint; readonly since: Date } | undefined;
  /** When the tunnel was opened; undefined while the fabric is not connected. */
  readonly connectedAt: Date | undefined;
  readonly lock: { readonly message: string; readonly at: Date } | undefined;
}

export interface AlertView {
  readonly alerts: readonly HealthAlert[];
  /** When time alone changes them next; undefined if it does not. */
  readonly nextAt: Date | undefined;
}

/** Share of its life that a certificate has left when an operator should know, and when it is urgent. */
const expiringShare = 0.25;
const criticalShare = 0.1;
/** A renewal that failed is an alert when it is late by a tenth of the time that was left for it, but not by more than this. */
const renewalLateMs = 600_000;
const renewalLateShare = 0.1;
const bundleLateMs = 600_000;

/** A condition with the instants at which it is looked at: true from `from` on. */
interface Condition {
  readonly reason: string;
  readonly message: string;
  readonly from: Date;
}

/**
 * The alerts of a fabric: what the agent says of itself, and what follows from its reports and from the time. `since` of an
 * alert that was there before stays.
 */
export function evaluateAlerts(
  facts: AgentFacts,
  { previous, now }: { readonly previous: readonly HealthAlert[]; readonly now: Date },
): AlertView {
  const conditions = [
    ...lockCondition(facts),
    ...facts.certificates.flatMap((certificate) => certificateConditions(certificate, facts)),
    ...unreportedTunnelCondition(facts),
    ...bundleCondition(facts),
    ...clockCondition(facts, now),
  ];
  const holding = conditions.filter(({ from }) => from <= now);
  const ours = [...Map.groupBy(holding, ({ reason }) => reason)].map(([reason, all]): HealthAlert => {
    const since = previous.find((alert) => alert.reason === reason)?.since ?? now;
    return { reason, message: all.map(({ message }) => message).join("; "), since };
  });
  // What both see is one alert, in our words: the agent's may have come from a clock that is wrong.
  const said = new Set(ours.map(({ reason }) => reason));
  const coming = conditions.map(({ from }) => from.getTime()).filter((at) => at > now.getTime());
  return {
    alerts: [...ours, ...facts.own.filter(({ reason }) => !said.has(reason))],
    nextAt: coming.length === 0 ? undefined : new Date(Math.min(...coming)),
  };
}

/** Reasons that began and that ended between two looks. */
export function alertChanges(
  previous: readonly HealthAlert[],
  next: readonly HealthAlert[],
): readonly { readonly alert: HealthAlert; readonly change: "began" | "ended" }[] {
  const isIn = (alerts: readonly HealthAlert[], { reason }: HealthAlert) =>
    alerts.some((alert) => alert.reason === reason);
  const began = next.filter((alert) => !isIn(previous, alert));
  const ended = previous.filter((alert) => !isIn(next, alert));
  return [
    ...ended.map((alert) => ({ alert, change: "ended" as const })),
    ...began.map((alert) => ({ alert, change: "began" as const })),
  ];
}

function lockCondition({ lock }: AgentFacts): readonly Condition[] {
  return lock ? [{ reason: reasons.locked, message: lock.message, from: lock.at }] : [];
}

function certificateConditions(certificate: HeldCertificate, { tunnel }: AgentFacts): readonly Condition[] {
  const { purpose, notAfter, renewAt, lastFailure } = certificate;
  const leftForRenewalMs = Math.max(0, notAfter.getTime() - renewAt.getTime());
  const knownStart = certificate.serialNumber === tunnel.serialNumber ? tunnel.notBefore : undefined;
  // Where the start is not known: agents renew at half of the life.
  const lifeMs = knownStart ? notAfter.getTime() - knownStart.getTime() : 2 * leftForRenewalMs;
  const lateMs = Math.min(renewalLateMs, renewalLateShare * leftForRenewalMs);
  const failing: Condition = {
    reason: reasons.renewalFailing,
    message: `the ${purpose} certificate is not renewed: ${lastFailure}`,
    from: new Date(renewAt.getTime() + lateMs),
  };
  return [...lifeConditions(`the ${purpose} certificate`, notAfter, lifeMs), ...(lastFailure === "" ? [] : [failing])];
}

/** An agent that does not tell what it holds still shows one on its tunnel. */
function unreportedTunnelCondition({ tunnel, certificates }: AgentFacts): readonly Condition[] {
  if (certificates.some(({ purpose }) => purpose === "tunnel") || tunnel.notBefore === undefined) return [];
  const lifeMs = tunnel.notAfter.getTime() - tunnel.notBefore.getTime();
  return lifeConditions("the tunnel certificate", tunnel.notAfter, lifeMs);
}

function lifeConditions(what: string, notAfter: Date, lifeMs: number): readonly Condition[] {
  const message = `${what} ends at ${notAfter.toISOString()}`;
  return [
    { reason: reasons.critical, message, from: new Date(notAfter.getTime() - criticalShare * lifeMs) },
    { reason: reasons.expiring, message, from: new Date(notAfter.getTime() - expiringShare * lifeMs) },
  ];
}

/** Only of those that could acknowledge it: nobody else is told. */
function bundleCondition({ acknowledgedSequence, newestBundle, connectedAt }: AgentFacts): readonly Condition[] {
  if (!newestBundle || !connectedAt || acknowledgedSequence >= newestBundle.sequence) return [];
  const sinceMs = Math.max(newestBundle.since.getTime(), connectedAt.getTime());
  return [
    {
      reason: reasons.bundleBehind,
      message: `the agent works with trust bundle ${acknowledgedSequence}, the newest is ${newestBundle.sequence}`,
      from: new Date(sinceMs + bundleLateMs),
    },
  ];
}

function clockCondition({ clockSkewMs, clockSkewWarnSeconds }: AgentFacts, now: Date): readonly Condition[] {
  if (Math.abs(clockSkewMs) <= clockSkewWarnSeconds * 1_000) return [];
  const seconds = Math.round(Math.abs(clockSkewMs) / 1_000);
  const direction = clockSkewMs > 0 ? "ahead of" : "behind";
  return [
    {
      reason: reasons.clockSkew,
      message: `the fabric's clock is ${seconds} s ${direction} the control plane's; check its time service`,
      from: now,
    },
  ];
}
