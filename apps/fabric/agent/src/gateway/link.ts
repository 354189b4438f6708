import type { Clock } from "@drawbridge/lifecycle";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import type { TunnelState } from "../tunnel/tunnel-state.ts";
import type { LinkState } from "./gateway-feed.ts";

/** Whether there is a session with the control plane, as gateways are told. */
export interface Link {
  welcomed(session: TunnelSession): void;
  session(): TunnelSession | undefined;
  state(): LinkState;
}

/** During a hand-over the link stays up: the next session is welcomed before the last one ends. */
export function createLink(options: {
  readonly tunnelState: () => TunnelState;
  readonly announcedIn: (session: TunnelSession) => string | undefined;
  readonly onChange: () => void;
  readonly clock: Pick<Clock, "now">;
}): Link {
  const { clock, onChange } = options;
  let current: TunnelSession | undefined;
  let since = clock.now();

  function reason(): string {
    const state = options.tunnelState();
    return state.status === "waiting" || state.status === "refused" ? state.code : "TUNNEL_DOWN";
  }

  return {
    welcomed: (session) => {
      if (current === undefined) since = clock.now();
      current = session;
      onChange();
      void session.ended.then(() => {
        if (current !== session) return;
        current = undefined;
        since = clock.now();
        onChange();
      });
    },
    session: () => current,
    state: () =>
      current === undefined
        ? { isUp: false, since, reason: reason(), announcedDigest: "" }
        : { isUp: true, since, reason: "", announcedDigest: options.announcedIn(current) ?? "" },
  };
}
