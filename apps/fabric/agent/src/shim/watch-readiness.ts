import { isListeningOn, processFamily, type ProcessRef, type UnitSpec } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import { probeReadiness } from "./readiness-probe.ts";
import type { StateKeeper } from "./state-keeper.ts";

const startingIntervalMs = 100;
const readyIntervalMs = 2_000;
const startingTimeoutMs = 2_000;
const readyTimeoutMs = 5_000;
/** A busy app may miss a probe: the same default as Kubernetes' failureThreshold. */
const failuresUntilUnready = 3;

/** Probe the app and record what comes out, until `signal` aborts; then rejects with its reason. */
export async function watchReadiness(
  options: {
    readonly spec: UnitSpec;
    readonly state: StateKeeper;
    readonly leader: ProcessRef;
    readonly clock: Clock;
  },
  signal: AbortSignal,
): Promise<void> {
  const { spec, state, clock } = options;
  const { probe } = spec;
  if (probe.kind === "none") {
    state.update({ phase: "ready", lastReadyAt: clock.now() });
    return;
  }
  const port = state.current().ports[probe.portName] ?? 0;
  const protocol = spec.ports.find(({ name }) => name === probe.portName)?.protocol ?? "http1";
  let failures = 0;
  for (;;) {
    const isReady = state.current().phase === "ready";
    const result = await probeReadiness({
      port,
      path: probe.path,
      protocol,
      timeoutMs: isReady ? readyTimeoutMs : startingTimeoutMs,
    });
    signal.throwIfAborted();
    failures = result.ready ? 0 : failures + 1;
    if (result.ready && !isReady && ownsPort(port)) {
      state.update({ phase: "ready", address: result.address, lastReadyAt: clock.now() });
    } else if (isReady && failures >= failuresUntilUnready) {
      state.update({ phase: "unready", lastReadyAt: clock.now() });
    }
    const isSettled = state.current().phase === "ready" && failures === 0;
    await clock.sleep(isSettled ? readyIntervalMs : startingIntervalMs, signal);
  }

  /** Not somebody else's answer, who took the port between its choice and the app's listen. */
  function ownsPort(candidate: number): boolean {
    return isListeningOn(processFamily(options.leader), candidate) !== false;
  }
}
