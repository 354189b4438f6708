import { DrawbridgeError } from "@drawbridge/errors";

export type ContractState = "requested" | "approved" | "rejected" | "revoked";
export type ContractDecision = "approve" | "reject" | "revoke" | "change the tier of";

/** From what state a decision is made. What was rejected or revoked stays so: a new contract is requested. */
const decidedFrom: Readonly<Record<ContractDecision, ContractState>> = {
  approve: "requested",
  reject: "requested",
  revoke: "approved",
  "change the tier of": "approved",
};

/** @throws DrawbridgeError `CONTRACT_STATE` (failed_precondition) */
export function assertDecidable(state: ContractState, decision: ContractDecision): void {
  if (state === decidedFrom[decision]) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "CONTRACT_STATE",
    message: `you can ${decision} a contract that is ${decidedFrom[decision]}; this one is ${state}`,
    details: { state },
  });
}

/** Whether a contract is approved as soon as it is requested. The tier's word is before the API's. */
export function isApprovedAtOnce(
  api: { readonly autoApprove: boolean },
  tier: { readonly autoApprove: boolean | undefined } | undefined,
): boolean {
  return tier?.autoApprove ?? api.autoApprove;
}
