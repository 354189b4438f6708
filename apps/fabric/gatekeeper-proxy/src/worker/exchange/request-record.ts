import type { AnalyticsRecord } from "../../workers/protocol.ts";
import type { Arrival } from "./request-context.ts";

export type Disposition = AnalyticsRecord["disposition"];

interface RecordFacts {
  readonly gateId: string;
  readonly apiId: string;
  readonly requestId: string;
  readonly clientId: string;
  readonly receivedAt: number;
  readonly durationMs: number;
  readonly arrival: Arrival;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly disposition: Disposition;
  readonly policyName: string;
}

/** One flat object per tracked request (ANA 2); geography and device are told from it elsewhere. */
export function recordOf(facts: RecordFacts): AnalyticsRecord {
  const { arrival } = facts;
  return {
    gateId: facts.gateId,
    apiId: facts.apiId,
    requestId: facts.requestId,
    clientId: facts.clientId,
    receivedAt: facts.receivedAt,
    durationMs: facts.durationMs,
    clientAddress: arrival.clientAddress,
    method: arrival.method,
    path: arrival.target.path,
    status: facts.status,
    userAgent: arrival.fields.userAgent,
    bytesIn: facts.bytesIn,
    bytesOut: facts.bytesOut,
    disposition: facts.disposition,
    policyName: facts.policyName,
  };
}
