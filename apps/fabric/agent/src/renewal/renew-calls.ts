import { CertificatePurpose } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { RenewAnswer } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";

export type Purpose = "tunnel" | "monitoring";

export const purposeToProto = {
  tunnel: CertificatePurpose.CERTIFICATE_PURPOSE_TUNNEL,
  monitoring: CertificatePurpose.CERTIFICATE_PURPOSE_MONITORING,
} as const satisfies Record<Purpose, CertificatePurpose>;

export interface RenewRequest {
  readonly requestId: string;
  readonly purpose: Purpose;
  readonly csrDer: Uint8Array;
  readonly currentSerial: string;
}

/** The `Renew` frames that wait for their answers. */
export interface RenewCalls {
  /**
   * Ask over a session; the same request may be asked again over another one.
   * @throws DrawbridgeError the control plane's refusal (`RENEWAL_*`, `CSR_*`, `REQUEST_ID_REUSED`) | `RENEWAL_TIMEOUT`,
   *   `TUNNEL_SESSION_ENDED` (unavailable)
   */
  ask(
    session: Pick<TunnelSession, "send" | "ended" | "occupy">,
    request: RenewRequest,
    signal: AbortSignal,
  ): Promise<Renewed>;
  answer(answer: RenewAnswer): void;
}

/** A certificate that was given. */
export type Renewed = Pick<RenewAnswer, "certificatesDer" | "trustBundle">;

const answerTimeoutMs = 30_000;

export function createRenewCalls({ clock }: { readonly clock: Clock }): RenewCalls {
  const waiting = new Map<string, PromiseWithResolvers<RenewAnswer>>();

  async function failLater(call: PromiseWithResolvers<RenewAnswer>, over: AbortSignal): Promise<void> {
    await clock.sleep(answerTimeoutMs, over).catch(() => undefined); // whoever ended it is told below
    if (!over.aborted) call.reject(unavailable("RENEWAL_TIMEOUT", "the control plane did not answer in time"));
  }

  return {
    async ask(session, { requestId, purpose, csrDer, currentSerial }, signal) {
      const call = Promise.withResolvers<RenewAnswer>();
      call.promise.catch(() => undefined); // nobody waits for it when the frame could not be sent
      const over = new AbortController();
      const release = session.occupy(); // a hand-over waits for the answer
      const onAbort = (): void => call.reject(signal.reason);
      waiting.set(requestId, call);
      signal.addEventListener("abort", onAbort, { once: true });
      void failLater(call, AbortSignal.any([signal, over.signal]));
      void session.ended.then(() =>
        call.reject(unavailable("TUNNEL_SESSION_ENDED", "the tunnel ended before the answer came")),
      );
      try {
        signal.throwIfAborted();
        const value = { requestId, purpose: purposeToProto[purpose], csrDer: Buffer.from(csrDer), currentSerial };
        session.send({ $case: "renew", value }, { correlationId: requestId, lane: "priority" });
        const answer = await call.promise;
        if (answer.errorCode !== "") throw refused(answer);
        return answer;
      } finally {
        if (waiting.get(requestId) === call) waiting.delete(requestId);
        signal.removeEventListener("abort", onAbort);
        release();
        over.abort(new Error("answered"));
      }
    },
    answer: (answer) => waiting.get(answer.correlationId)?.resolve(answer),
  };
}

function refused({ errorCode, errorMessage, retryAfterMs }: RenewAnswer): DrawbridgeError {
  return new DrawbridgeError({
    kind: errorCode.startsWith("CSR_") ? "invalid_argument" : "unavailable",
    code: /^[A-Z][A-Z0-9_]{0,63}$/.test(errorCode) ? errorCode : "RENEWAL_UNAVAILABLE",
    message: errorMessage === "" ? "the control plane did not renew the certificate" : errorMessage,
    ...(retryAfterMs > 0 && { retryAfterMs }),
  });
}

function unavailable(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "unavailable", code, message });
}
