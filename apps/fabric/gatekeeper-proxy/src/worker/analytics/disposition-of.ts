import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { Reply } from "@drawbridge/policies";

/** What becomes of a request that a policy answers. */
export function dispositionOf(reply: Reply): Disposition {
  if (reply.reason === "policy_failed") return Disposition.DISPOSITION_ERROR;
  return reply.isViolation ? Disposition.DISPOSITION_POLICY_VIOLATION : Disposition.DISPOSITION_PROCESSED;
}
