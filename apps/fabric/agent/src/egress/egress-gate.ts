import type { EgressLedger, OutboundField } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { inspectMessage } from "./inspect-message.ts";

/** Whether customer data may leave: only where the fabric's own configuration says so. */
export type PayloadRule = "refused" | "allowed";

export interface OutboundMessage {
  readonly peer: string;
  readonly messageType: string;
  readonly sizeBytes: number;
  /** A protobuf message by its full name, or the fields of an HTTP request. */
  readonly content:
    | { readonly kind: "protobuf"; readonly typeName: string; readonly message: object }
    | { readonly kind: "http"; readonly fields: readonly OutboundField[] };
}

/** The one door out of the fabric: checks the data class of every field that is set, then writes it down. */
export interface EgressGate {
  /**
   * @throws DrawbridgeError `EGRESS_PAYLOAD_REFUSED` (permission_denied) when a field of customer data is set and the
   *   fabric's configuration does not allow it; `EGRESS_FIELD_UNCLASSIFIED` (internal)
   */
  admit(message: OutboundMessage): void;
}

export function createEgressGate(options: {
  readonly ledger: Pick<EgressLedger, "record">;
  readonly payload: PayloadRule;
}): EgressGate {
  const { ledger, payload } = options;
  return {
    admit({ peer, messageType, sizeBytes, content }) {
      const fields = content.kind === "http" ? content.fields : inspectMessage(content.typeName, content.message);
      const customerData = fields.find(({ dataClass }) => dataClass === "PAYLOAD");
      if (customerData !== undefined && payload === "refused") throw payloadRefused(messageType, customerData.path);
      ledger.record({ peer, messageType, sizeBytes, fields });
    },
  };
}

function payloadRefused(messageType: string, path: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "EGRESS_PAYLOAD_REFUSED",
    message: `${messageType} holds customer data (${path}), which this fabric does not send: its owner has not set DRAWBRIDGE_ALLOW_LOGS=true`,
  });
}
