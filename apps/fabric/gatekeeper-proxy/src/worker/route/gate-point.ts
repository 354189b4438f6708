import type { BlockedReason } from "../../workers/protocol.ts";
import type { CompiledApi } from "@drawbridge/policies";
import type { ApiReporting } from "../analytics/api-reporting.ts";
import type { ApiCaptures } from "../insight/api-captures.ts";
import type { RouteSightings } from "../../observed-routes/route-sightings.ts";

/** How the gate of a binding stands, as a request sees it. */
export type GateVerdict =
  | { readonly verdict: "closed"; readonly reason: BlockedReason }
  | {
      readonly verdict: "open";
      readonly api: CompiledApi;
      /** `undefined`: its routes are not observed. */
      readonly sightings: RouteSightings | undefined;
      /** `undefined`: nothing is told of its requests. */
      readonly reporting: ApiReporting | undefined;
      /** `undefined`: nothing of its requests is captured. */
      readonly captures: ApiCaptures | undefined;
    }
  | { readonly verdict: "passthrough" };

/** The gate of one API of one deployment; its verdict changes between two requests. */
export interface GatePoint {
  readonly gateId: string;
  readonly appName: string;
  verdict: GateVerdict;
  /** As the set says that is enforced, or was before the gate closed. */
  reporting: ApiReporting | undefined;
  /** Of the set that is enforced; none while the gate is closed. */
  captures: ApiCaptures | undefined;
}
