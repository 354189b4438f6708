import { systemClock } from "@drawbridge/lifecycle";
import { readMetric } from "../stack/metrics.ts";

export interface TunnelReport {
  /** Longest time in which the agent had no tunnel, seconds; 0 if there was one at every look. */
  readonly longestGapSeconds: number;
  readonly looks: number;
  readonly sessions: number;
}

const lookEveryMs = 50;

/** Looks at the agent's own gauge `tunnel_connected` twenty times a second. */
export function watchTunnel(opsPort: number): { stop(): Promise<TunnelReport> } {
  const stopping = new AbortController();
  let looks = 0;
  let longestGapMs = 0;
  let downSinceMs: number | undefined;

  async function look(): Promise<void> {
    const nowMs = systemClock.monotonicMs();
    const isUp = (await readMetric(opsPort, "drawbridge_agent_tunnel_connected").catch(() => 0)) === 1;
    looks += 1;
    if (downSinceMs !== undefined) longestGapMs = Math.max(longestGapMs, systemClock.monotonicMs() - downSinceMs);
    if (isUp) downSinceMs = undefined;
    else downSinceMs ??= nowMs;
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      await look();
      await systemClock.sleep(lookEveryMs, stopping.signal).catch(() => undefined); // stopped
    }
  })();
  return {
    stop: async () => {
      stopping.abort(new Error("stopped"));
      await running;
      const sessions = await readMetric(opsPort, "drawbridge_agent_tunnel_sessions_total").catch(() => undefined);
      return { longestGapSeconds: longestGapMs / 1000, looks, sessions: sessions ?? 0 };
    },
  };
}
