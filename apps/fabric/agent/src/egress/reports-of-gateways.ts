import type { Departure } from "@drawbridge/egress";
import { fieldsOfType } from "./inspect-message.ts";

/** What a gateway gets access for. */
export type ReportPurpose = "requests" | "insight";

const reports = {
  requests: { messageType: "gateway.analytics-access", typeName: "drawbridge.analytics.v1.RequestBatch" },
  insight: { messageType: "gateway.insight-access", typeName: "drawbridge.insight.v1.InsightBatch" },
} as const;

/**
 * Gateways send requests' metadata, and exchanges that they captured, on connections of their own, which the agent does not
 * see. What it sees is that it gave one access: it is written down as what that gateway may send from then on, without a size.
 */
export function reportsOfGateways(url: string, purpose: ReportPurpose): Departure {
  const { messageType, typeName } = reports[purpose];
  return { peer: peerOf(url), messageType, sizeBytes: 0, fields: fieldsOfType(typeName) };
}

/** What a gateway says that it sent of captured exchanges. */
export function capturedExchanges(sent: {
  readonly url: string;
  readonly exchanges: number;
  readonly bytes: number;
}): Departure {
  return {
    peer: peerOf(sent.url),
    messageType: "gateway.insight-exchanges",
    messages: sent.exchanges,
    sizeBytes: sent.bytes,
    fields: fieldsOfType(reports.insight.typeName),
  };
}

function peerOf(url: string): string {
  return `analytics-ingest ${new URL(url).host}`;
}
