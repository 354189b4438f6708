import type { RunStatus } from "../state/run-status.ts";
import type { TunnelState } from "./tunnel-state.ts";

/** The tunnel's state as people read it. */
export function viewOfTunnel(state: TunnelState): RunStatus["tunnel"] {
  const since = state.since.toISOString();
  switch (state.status) {
    case "connecting":
      return { status: "connecting", since, address: state.address };
    case "connected":
      return {
        status: "connected",
        since,
        address: state.address,
        sessionId: state.sessionId,
        replica: state.replica,
        epoch: state.epoch.toString(),
      };
    case "waiting":
    case "refused":
      return {
        status: state.status,
        since,
        code: state.code,
        message: state.message,
        retryAt: state.retryAt.toISOString(),
      };
  }
}
