import { createEgressLedger, openLedgerFolder, type EgressLedger } from "@drawbridge/egress";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";

/** What this gateway has sent, written down by itself: the agent may be away. `drawbridge-agent egress` shows it with the rest. */
export interface SentLedger extends EgressLedger {
  /** A batch of so many bytes is on its way to this URL, whatever is answered. */
  sent(url: string, sizeBytes: number): void;
}

export function createSentLedger(options: {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): SentLedger {
  const { clock, logger } = options;
  const writer = "gateway";
  const ledger = createEgressLedger({ files: openLedgerFolder({ ...options, writer }), writer, clock, logger });
  return {
    ...ledger,
    sent: (url, sizeBytes) =>
      ledger.record({
        peer: `analytics-ingest ${new URL(url).host}`,
        messageType: "gateway.request-batch",
        sizeBytes,
        fields: [], // whoever reads it knows what a batch may hold
      }),
  };
}
