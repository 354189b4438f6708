import type { ReportInsightRequest } from "@drawbridge/contracts/gateway/v1/gateway_service";
import type { EgressLedger } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { capturedExchanges } from "../egress/reports-of-gateways.ts";

/** Whether this fabric's owner lets exchanges be captured. */
export type InsightRule = "allowed" | "refused";

/**
 * What gateways sent of captured exchanges goes into the fabric's own ledger, whatever the rule is now: the rule decides who gets
 * access, and what left before it changed has left. A gateway would tell what is refused again and again.
 */
export function createInsightProxy({
  ledger,
}: {
  readonly ledger: Pick<EgressLedger, "record">;
}): (report: ReportInsightRequest) => void {
  return ({ url, exchanges, bytes }) => {
    if (!URL.canParse(url)) {
      throw new DrawbridgeError({
        kind: "invalid_argument",
        code: "GATEWAY_REQUEST_INVALID",
        message: "url is no URL",
      });
    }
    ledger.record(capturedExchanges({ url, exchanges: Number(exchanges), bytes: Number(bytes) }));
  };
}

export function insightRefused(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "INSIGHT_NOT_ALLOWED",
    message: "the owner of this fabric has not set DRAWBRIDGE_ALLOW_INSIGHT=true: no gateway captures exchanges",
    details: { reason: "REFUSED_BY_FABRIC" },
  });
}
