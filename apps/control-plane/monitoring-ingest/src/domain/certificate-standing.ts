import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";

/** What cert-authority says of a certificate; "away" when it does not answer. */
export type Verdict = "good" | "revoked" | "unknown" | "away";

/** The certificate that a collector shows. */
export interface ShownCertificate {
  readonly serialNumber: string;
  readonly fabricId: string;
  readonly notAfter: Date;
}

/** Certificates that were vouched for before, kept over restarts. */
export interface KnownCertificates {
  find(serialNumber: string): Promise<"good" | "revoked" | undefined>;
  remember(certificate: ShownCertificate, now: Date): Promise<void>;
  markRevoked(certificate: ShownCertificate, now: Date): Promise<void>;
}

export interface CertificateStanding {
  /**
   * Let a certificate pass or not. Asked at cert-authority when it is seen for the first time and again after 30 s. While
   * cert-authority is away, a certificate that was vouched for before passes and another has to wait.
   * @throws DrawbridgeError `CERTIFICATE_REVOKED` (permission_denied) | `CERTIFICATE_UNKNOWN` (unauthenticated) | `CERTIFICATE_STANDING_UNKNOWN` (unavailable, retry)
   */
  assertGood(certificate: ShownCertificate): Promise<void>;
}

export interface CertificateStandingDeps {
  /** Ask cert-authority about a certificate that it has, or has not, vouched for before. Never rejects. */
  readonly ask: (serialNumber: string, sight: "first" | "again") => Promise<Verdict>;
  readonly known: KnownCertificates;
  readonly clock: Pick<Clock, "now" | "monotonicMs">;
  /** cert-authority has no record of a certificate that it vouched for: its database was restored to an earlier state. */
  readonly onForgotten: (certificate: ShownCertificate) => void;
}

/** How long an answer holds (design R9). */
const answerTtlMs = 30_000;
const retryAfterMs = 2_000;
const maxRemembered = 50_000;

export function createCertificateStanding(deps: CertificateStandingDeps): CertificateStanding {
  const { ask, known, clock, onForgotten } = deps;
  /** Until when an answer holds, oldest first. Refusals are not in it. */
  const goodUntilMs = new Map<string, number>();
  const asking = new Map<string, Promise<void>>();

  async function decide(certificate: ShownCertificate): Promise<void> {
    const { serialNumber } = certificate;
    const before = await known.find(serialNumber);
    if (before === "revoked") throw revoked();
    const verdict = await ask(serialNumber, before === undefined ? "first" : "again");
    if (verdict === "revoked") {
      await known.markRevoked(certificate, clock.now());
      throw revoked();
    }
    if (before === undefined) {
      if (verdict === "unknown") throw unknown();
      if (verdict === "away") throw standingUnknown();
      await known.remember(certificate, clock.now());
    } else if (verdict === "unknown") onForgotten(certificate);
    hold(serialNumber);
  }

  function hold(serialNumber: string): void {
    const nowMs = clock.monotonicMs();
    goodUntilMs.delete(serialNumber);
    for (const [oldest, untilMs] of goodUntilMs) {
      if (untilMs > nowMs && goodUntilMs.size < maxRemembered) break;
      goodUntilMs.delete(oldest);
    }
    goodUntilMs.set(serialNumber, nowMs + answerTtlMs);
  }

  return {
    assertGood: async (certificate) => {
      const { serialNumber } = certificate;
      if ((goodUntilMs.get(serialNumber) ?? 0) > clock.monotonicMs()) return;
      // One question per certificate, however many requests wait for the answer.
      const running = asking.get(serialNumber) ?? decide(certificate);
      asking.set(serialNumber, running);
      try {
        await running;
      } finally {
        if (asking.get(serialNumber) === running) asking.delete(serialNumber);
      }
    },
  };
}

function revoked(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "CERTIFICATE_REVOKED",
    message: "the monitoring certificate was revoked; the fabric's agent must get a new one",
  });
}

function unknown(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "CERTIFICATE_UNKNOWN",
    message: "the monitoring certificate is not on record at the certificate authority",
  });
}

function standingUnknown(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "CERTIFICATE_STANDING_UNKNOWN",
    message: "this certificate is new here and cert-authority, which could vouch for it, does not answer; try again",
    retryAfterMs,
  });
}
