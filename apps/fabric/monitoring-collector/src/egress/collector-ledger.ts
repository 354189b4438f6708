import { createEgressLedger, openLedgerFolder, type EgressLedger, type OutboundField } from "@drawbridge/egress";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { checkInFields } from "../check-in/check-in-message.ts";
import { sampleFields } from "../otlp/declared-fields.ts";

/** What may leave: a connection with the certificate, and two messages on it. */
export type Outbound = "connection" | "check-in" | "metrics";

const traceparent: OutboundField = { path: "traceparent", dataClass: "METADATA" };
const fieldsOf: Readonly<Record<Outbound, readonly OutboundField[]>> = {
  connection: [{ path: "client_certificate", dataClass: "IDENTITY" }],
  "check-in": [...checkInFields, traceparent],
  metrics: [...sampleFields, traceparent],
};

/** What the collector has sent, beside what the agent writes down: `drawbridge-agent egress` shows both. */
export interface CollectorLedger extends EgressLedger {
  sent(what: Outbound, sizeBytes: number): void;
}

export function createCollectorLedger(options: {
  readonly directory: string;
  /** host:port of monitoring-ingest. */
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): CollectorLedger {
  const { directory, address, clock, logger } = options;
  const writer = "collector";
  const files = openLedgerFolder({ directory, writer, clock, logger });
  const ledger = createEgressLedger({ files, writer, clock, logger });
  return {
    ...ledger,
    sent: (what, sizeBytes) =>
      ledger.record({
        peer: `monitoring-ingest ${address}`,
        messageType: `monitoring.${what}`,
        sizeBytes,
        fields: fieldsOf[what],
      }),
  };
}
