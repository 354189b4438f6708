import type { BlockedReason } from "../../workers/protocol.ts";
import type { CompiledApi } from "@drawbridge/policies";

/** How the gate of a binding stands, as a request sees it. */
export type GateVerdict =
  | { readonly verdict: "closed"; readonly reason: BlockedReason }
  | { readonly verdict: "open"; readonly api: CompiledApi }
  | { readonly verdict: "passthrough" };

/** The gate of one API of one deployment; its verdict changes between two requests. */
export interface GatePoint {
  readonly gateId: string;
  verdict: GateVerdict;
}
