import type { SessionEnd } from "./tunnel-events.ts";

/** How the tunnel stands, for status, readiness and metrics. */
export type TunnelState =
  | { readonly status: "connecting"; readonly since: Date; readonly address: string }
  | {
      readonly status: "connected";
      readonly since: Date;
      readonly address: string;
      readonly sessionId: string;
      readonly replica: string;
      readonly epoch: bigint;
    }
  | {
      readonly status: "waiting";
      /** When the tunnel was lost, or the agent started. */
      readonly since: Date;
      readonly retryAt: Date;
      readonly failures: number;
      readonly code: string;
      readonly message: string;
    }
  /** The control plane does not want this agent; it is asked again now and then. */
  | {
      readonly status: "refused";
      readonly since: Date;
      readonly retryAt: Date;
      readonly code: string;
      readonly message: string;
    };

/** A short name for why a session ended: label of a metric, field of a log record. */
export function nameOfEnd(end: SessionEnd): string {
  switch (end.end) {
    case "left":
      return "left";
    case "kicked":
      return "kicked";
    case "dead":
      return "dead";
    case "broken":
      return "broken";
  }
}
