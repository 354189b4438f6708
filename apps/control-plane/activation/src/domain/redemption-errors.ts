import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import type { RefusalCode } from "./decide-redemption.ts";

/** How often an agent that waits for approval asks. */
const approvalPollMs = 5_000;

const refusals: Readonly<Record<RefusalCode, { readonly kind: ErrorKind; readonly message: string }>> = {
  ACTIVATION_TOKEN_UNKNOWN: {
    kind: "unauthenticated",
    message: "this activation token is not known here: it was altered, or another control plane made it",
  },
  ACTIVATION_TOKEN_EXPIRED: {
    kind: "failed_precondition",
    message: "this activation token has expired; ask the operator for a new one",
  },
  ACTIVATION_TOKEN_REVOKED: {
    kind: "failed_precondition",
    message: "this activation token was revoked; ask the operator for a new one",
  },
  ACTIVATION_TOKEN_USED: {
    kind: "failed_precondition",
    message:
      "this activation token was used already; if that was not this agent, tell the operator at once, and ask for a new one",
  },
  ACTIVATION_SOURCE_REFUSED: {
    kind: "permission_denied",
    message: "this activation token is for other networks",
  },
  ACTIVATION_KEY_REFUSED: {
    kind: "failed_precondition",
    message:
      "this activation token is for another agent's key, which it was made for or which was approved; if you did not expect that, tell the operator at once, and ask for a new token",
  },
  ACTIVATION_TOO_MANY_APPLICANTS: {
    kind: "failed_precondition",
    message: "too many agents wait for approval with this activation token; ask the operator for a new one",
  },
};

/** What the caller of a refused redemption gets. `tokenId` is safe to show. */
export function refusalError(
  code: RefusalCode,
  { tokenId, remoteAddress }: { readonly tokenId: string; readonly remoteAddress: string },
): DrawbridgeError {
  const { kind, message } = refusals[code];
  const from = code === "ACTIVATION_SOURCE_REFUSED" ? `: the control plane sees you at ${remoteAddress}` : "";
  return new DrawbridgeError({ kind, code, message: `${message}${from}`, details: { tokenId } });
}

/** The redemption waits: the same call again goes through once this key is approved. */
export function notApproved({ tokenId, keySha256 }: { readonly tokenId: string; readonly keySha256: string }) {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ACTIVATION_NOT_APPROVED",
    message: `this agent waits for approval. Ask an operator who did not make the token to run: drawbridge fabric token approve ${tokenId} --key ${keySha256}`,
    details: { tokenId, keySha256 },
    retryAfterMs: approvalPollMs,
  });
}

/** Something that we need is away; the same redemption can be tried again. */
export function activationUnavailable(cause: unknown): DrawbridgeError {
  const retryAfterMs = cause instanceof DrawbridgeError ? (cause.retryAfterMs ?? 2_000) : 2_000;
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ACTIVATION_UNAVAILABLE",
    message: "activation is not possible right now; try again with the same token and the same keys",
    retryAfterMs,
    cause,
  });
}
