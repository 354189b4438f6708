import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { tokenStateAt, type Applicant, type StoredToken } from "./stored-token.ts";

export interface ApprovalRequest {
  readonly tokenId: string;
  readonly keySha256: string;
  /** User name. */
  readonly approvedBy: string;
}

export type ApprovalDecision =
  | { readonly decision: "approve" }
  /** The same key was approved before. */
  | { readonly decision: "done" }
  | { readonly decision: "refuse"; readonly error: DrawbridgeError };

/**
 * Decide whether somebody may let an agent redeem a token at `now`: four eyes, so never who made the token, and only a key
 * that asked, so that nobody approves what no agent has.
 */
export function decideApproval(
  token: StoredToken & { readonly applicants: readonly Applicant[] },
  { keySha256, approvedBy }: ApprovalRequest,
  now: Date,
): ApprovalDecision {
  const { tokenId, approval, applicants } = token;
  const refuse = (kind: ErrorKind, code: string, message: string): ApprovalDecision => ({
    decision: "refuse",
    error: new DrawbridgeError({ kind, code, message, details: { tokenId } }),
  });
  if (approval.state === "not_needed") {
    return refuse("failed_precondition", "ACTIVATION_APPROVAL_NOT_NEEDED", "this activation token needs no approval");
  }
  if (approvedBy === token.createdBy) {
    return refuse(
      "permission_denied",
      "ACTIVATION_APPROVAL_BY_CREATOR",
      `${approvedBy} made this activation token; somebody else has to approve its agent`,
    );
  }
  if (approval.state === "given" && approval.keySha256 === keySha256) return { decision: "done" };
  if (approval.state === "given") {
    const message = `${approval.by} approved another agent for this activation token, ${approval.keySha256}`;
    return refuse("failed_precondition", "ACTIVATION_APPROVED_ALREADY", message);
  }
  switch (tokenStateAt(token, now)) {
    case "expired":
      return refuse("failed_precondition", "ACTIVATION_TOKEN_EXPIRED", "this activation token has expired");
    case "revoked":
      return refuse("failed_precondition", "ACTIVATION_TOKEN_REVOKED", "this activation token was revoked");
    case "redeemed":
      return refuse("failed_precondition", "ACTIVATION_TOKEN_USED", "this activation token was redeemed");
    case "unused":
      if (applicants.some((applicant) => applicant.keySha256 === keySha256)) return { decision: "approve" };
      return refuse(
        "not_found",
        "ACTIVATION_APPLICANT_NOT_FOUND",
        "no agent with this key has asked with this activation token",
      );
  }
}
