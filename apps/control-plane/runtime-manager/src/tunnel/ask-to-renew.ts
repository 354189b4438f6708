import type { Clock } from "@drawbridge/lifecycle";
import type { CertificateAuthority } from "../clients/certificate-authority.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** Asks the authority which certificates of our tunnels a rotation wants renewed, and tells their agents (REN 6). */
export type AskToRenew = () => Promise<void>;

const mostSerials = 1_000;
/** Renewals per second that a rotation asks for: a part of what is there for those that renew anyway. */
const renewalsPerSecond = 50;
const shortestWindowMs = 2_000;
const longestWindowMs = 1_800_000;
/** An agent that has not done it this long after its window is asked again. */
const patienceMs = 120_000;

/** Over how long so many agents spread their renewals. */
export function renewalWindowMs(agents: number): number {
  return Math.min(longestWindowMs, Math.max(shortestWindowMs, Math.ceil((agents / renewalsPerSecond) * 1_000)));
}

export function createAskToRenew(deps: {
  readonly certificateAuthority: Pick<CertificateAuthority, "listOutdated">;
  readonly registry: Pick<SessionRegistry, "all">;
  /** Of all replicas. */
  readonly agents: () => number;
  readonly clock: Pick<Clock, "monotonicMs">;
}): AskToRenew {
  const { clock } = deps;
  /** Until when a certificate's agent has time to renew it. */
  const asked = new Map<string, number>();

  function tell(session: TunnelSession, outdated: ReadonlySet<string>, withinMs: number): void {
    const nowMs = clock.monotonicMs();
    const serialNumbers = serialsOf(session).filter(
      (serial) => outdated.has(serial) && (asked.get(serial) ?? 0) <= nowMs,
    );
    if (serialNumbers.length === 0 || session.isOver) return;
    for (const serial of serialNumbers) asked.set(serial, nowMs + withinMs + patienceMs);
    session.send({ $case: "renewNow", value: { reason: "outdated", withinMs, serialNumbers } }, { key: "renew-now" });
  }

  return async () => {
    const sessions = [...deps.registry.all()].filter((session) => session.isWelcomed && !session.isOver);
    const serials = sessions.flatMap(serialsOf);
    const outdated = new Set<string>();
    for (let from = 0; from < serials.length; from += mostSerials) {
      const found = await deps.certificateAuthority.listOutdated(serials.slice(from, from + mostSerials));
      for (const serial of found) outdated.add(serial);
    }
    for (const serial of asked.keys()) if (!outdated.has(serial)) asked.delete(serial);
    const withinMs = renewalWindowMs(Math.max(deps.agents(), sessions.length));
    for (const session of sessions) tell(session, outdated, withinMs);
  };
}

function serialsOf({ terms, report }: TunnelSession): readonly string[] {
  const monitoring = report.certificates.filter(({ purpose }) => purpose === "monitoring");
  return [terms.serialNumber, ...monitoring.map(({ serialNumber }) => serialNumber)];
}
