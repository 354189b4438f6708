import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Audience } from "./ca-key.ts";
import type { RecordedCertificate, SignedCertificate } from "./certificate.ts";
import { certificateRevoked } from "./revocation.ts";
import type { FabricProfile } from "./certificate-name.ts";
import type { GroupCommit } from "./group-commit.ts";
import { createLimitedNames, nameLimited } from "./name-limit.ts";
import type { SignLeaf } from "./sign-leaf.ts";

/** What became of a certificate that was to be recorded. */
export type RecordOutcome =
  | { readonly outcome: "recorded" }
  /** The request id was used before; what was recorded then. */
  | { readonly outcome: "replayed"; readonly certificate: RecordedCertificate & { readonly spkiSha256: string } }
  /** The CA that signed it was retired meanwhile: nothing was recorded. */
  | { readonly outcome: "issuer_retired" }
  /** The name has got enough for now: nothing was recorded. */
  | { readonly outcome: "name_limited"; readonly waitMs: number }
  /** The name, or the certificate of the service that asked, was revoked meanwhile: nothing was recorded. */
  | { readonly outcome: "revoked"; readonly serialNumber: string; readonly reason: string };

export interface IssueRequest {
  readonly requestId: string;
  readonly profile: FabricProfile | "service";
  readonly csrDer: Uint8Array;
  readonly spiffeId: string;
  readonly fabricId: string | undefined;
  /** When the caller may have looked last whether the name is revoked. */
  readonly decidedAt: Date;
  /** Of the service that asks for itself. */
  readonly callerSerialNumber: string | undefined;
  readonly traceparent: string;
}

/** Which CA signs, as this replica knows it. */
export interface IssuingChoice {
  /** @throws DrawbridgeError if nothing may be issued now */
  issuerFor(audience: Audience): { readonly id: string };
  /** Look for a change of the CAs now. */
  refresh(): Promise<unknown>;
}

export interface IssueCertificateDeps {
  readonly issuing: IssuingChoice;
  readonly signLeaf: SignLeaf;
  readonly leafTtlSeconds: number;
  readonly queue: GroupCommit<SignedCertificate, RecordOutcome>;
  /** Whether this request id has got its certificate. */
  readonly isRecorded: (requestId: string) => Promise<boolean>;
  readonly clock: Pick<Clock, "now" | "monotonicMs">;
}

export type IssueCertificate = (request: IssueRequest) => Promise<RecordedCertificate>;

/**
 * Issue: admit, check the CSR, sign, record, and only then answer. The same request id with the same key and name gives
 * the certificate of the first time. A replica that has not noticed yet that its CA has run out or was retired looks
 * again, once, before it fails: nobody but the record decides which CA may sign.
 * @throws DrawbridgeError `ISSUE_OVERLOADED` (unavailable) before any cryptography | `CSR_*` (invalid_argument) |
 * `REQUEST_ID_REUSED` (already_exists): same request id, another key or name | `ISSUING_CA_EXPIRED`
 * (failed_precondition) | `ISSUING_CA_RETIRED` (unavailable) | `CERTIFICATE_REVOKED` (permission_denied): revoked since
 * the request was decided | `ISSUE_NAME_LIMIT` (resource_exhausted): the name has got enough for now
 */
export function createIssueCertificate(deps: IssueCertificateDeps): IssueCertificate {
  const limitedNames = createLimitedNames(deps.clock);

  return async (request) => {
    const knownWaitMs = limitedNames.waitMs(request.spiffeId);
    if (knownWaitMs > 0 && !(await deps.isRecorded(request.requestId))) throw nameLimited(knownWaitMs);
    const first = await attempt(request).catch((error: unknown) => {
      if (isDrawbridgeError(error, "ISSUING_CA_EXPIRED") || isDrawbridgeError(error, "ISSUING_CA_RETIRED"))
        return undefined;
      throw error;
    });
    if (first) return first;
    await deps.issuing.refresh();
    const second = await attempt(request);
    if (second) return second;
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "ISSUING_CA_RETIRED",
      message: "the CA that signed is retired by now; try again",
      retryAfterMs: 250,
    });
  };

  /** Undefined: the CA is retired. */
  async function attempt(request: IssueRequest): Promise<RecordedCertificate | undefined> {
    const place = deps.queue.admit();
    let signed: SignedCertificate;
    try {
      signed = await sign(request, deps);
    } catch (error) {
      place.release();
      throw error;
    }
    const recorded = await place.submit(signed);
    if (recorded.outcome === "revoked") throw certificateRevoked(recorded);
    if (recorded.outcome === "name_limited") {
      limitedNames.limit(request.spiffeId, recorded.waitMs);
      throw nameLimited(recorded.waitMs);
    }
    if (recorded.outcome === "replayed") return sameRequest(signed, recorded.certificate);
    return recorded.outcome === "recorded" ? signed : undefined;
  }
}

async function sign(request: IssueRequest, deps: IssueCertificateDeps): Promise<SignedCertificate> {
  const now = deps.clock.now();
  const { requestId, fabricId, decidedAt, callerSerialNumber, traceparent, csrDer, spiffeId } = request;
  const issuerId = deps.issuing.issuerFor(request.profile === "service" ? "service" : "fabric").id;
  const leaf = await deps.signLeaf({ csrDer, spiffeId, now, ttlSeconds: deps.leafTtlSeconds, issuerId });
  return { requestId, fabricId, decidedAt, callerSerialNumber, traceparent, issuedAt: now, ...leaf };
}

function sameRequest(
  asked: SignedCertificate,
  found: RecordedCertificate & { readonly spkiSha256: string },
): RecordedCertificate {
  if (asked.spkiSha256 === found.spkiSha256 && asked.spiffeId === found.spiffeId) return found;
  throw new DrawbridgeError({
    kind: "already_exists",
    code: "REQUEST_ID_REUSED",
    message: "this request id was used before for another key or name; use a new one",
  });
}
