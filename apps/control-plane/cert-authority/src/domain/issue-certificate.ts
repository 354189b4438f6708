import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { RecordedCertificate, SignedCertificate } from "./certificate.ts";
import type { FabricProfile } from "./certificate-name.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { SignLeaf } from "./sign-leaf.ts";

/** What became of a certificate that was to be recorded. */
export type RecordOutcome =
  | { readonly outcome: "recorded" }
  /** The request id was used before; what was recorded then. */
  | { readonly outcome: "replayed"; readonly certificate: RecordedCertificate & { readonly spkiSha256: string } };

export interface IssueRequest {
  readonly requestId: string;
  readonly profile: FabricProfile | "service";
  readonly csrDer: Uint8Array;
  readonly spiffeId: string;
  readonly fabricId: string | undefined;
  readonly traceparent: string;
}

export interface IssueCertificateDeps {
  readonly signLeaf: SignLeaf;
  readonly leafTtlSeconds: number;
  readonly queue: GroupCommit<SignedCertificate, RecordOutcome>;
  readonly clock: Pick<Clock, "now">;
}

export type IssueCertificate = (request: IssueRequest) => Promise<RecordedCertificate>;

/**
 * Issue: admit, check the CSR, sign, record, and only then answer. The same request id with the same key and name gives
 * the certificate of the first time.
 * @throws DrawbridgeError `ISSUE_OVERLOADED` (unavailable) before any cryptography | `CSR_*` (invalid_argument) |
 * `REQUEST_ID_REUSED` (already_exists): same request id, another key or name
 */
export function createIssueCertificate(deps: IssueCertificateDeps): IssueCertificate {
  return async (request) => {
    const place = deps.queue.admit();
    let signed: SignedCertificate;
    try {
      signed = await sign(request, deps);
    } catch (error) {
      place.release();
      throw error;
    }
    const recorded = await place.submit(signed);
    return recorded.outcome === "recorded" ? signed : sameRequest(signed, recorded.certificate);
  };
}

async function sign(request: IssueRequest, deps: IssueCertificateDeps): Promise<SignedCertificate> {
  const now = deps.clock.now();
  const { requestId, fabricId, traceparent, csrDer, spiffeId } = request;
  const leaf = await deps.signLeaf({ csrDer, spiffeId, now, ttlSeconds: deps.leafTtlSeconds });
  return { requestId, fabricId, traceparent, issuedAt: now, ...leaf };
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
