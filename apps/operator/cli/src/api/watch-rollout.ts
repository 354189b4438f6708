import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { ApiClient } from "./client.ts";
import { type App, appSchema, fabricSchema } from "./types.ts";

export type RolloutState =
  | { readonly state: "waiting"; readonly because: string }
  | { readonly state: "done" }
  | { readonly state: "failed"; readonly reason: string; readonly message: string };

/** What an app's status says about the generation that we wait for. */
export function rolloutState(app: App, generation: number): RolloutState {
  const { status } = app;
  if (!app.statusCurrent)
    return {
      state: "waiting",
      because: `fabric ${app.fabric} is not connected; the change is applied when it is back`,
    };
  if (status === null || status.observedGeneration < generation) {
    return { state: "waiting", because: `waiting for fabric ${app.fabric} to take it over` };
  }
  if (status.phase === "failed") {
    const failed = status.conditions.find(({ type, status: value }) => type === "Failed" && value === "True");
    return {
      state: "failed",
      reason: failed?.reason ?? "Failed",
      message: failed?.message ?? "the fabric gave no reason",
    };
  }
  if (status.appliedCurrent && (status.phase === "running" || status.phase === "stopped")) return { state: "done" };
  const progressing = status.conditions.find(({ type, status: value }) => type === "Progressing" && value === "True");
  return {
    state: "waiting",
    because: `${status.phase}, ${status.readyReplicas} of ${app.desiredState === "running" ? app.replicas : 0} replicas ready${progressing?.message ? ` (${progressing.message})` : ""}`,
  };
}

export interface WatchOptions {
  readonly generation: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly onState: (state: RolloutState, app: App) => void;
}

const pollMs = 300;

/**
 * Wait until the fabric runs what was asked for.
 * @throws DrawbridgeError `ROLLOUT_FAILED` (failed_precondition) | `ROLLOUT_TIMEOUT` (deadline_exceeded)
 */
export async function watchRollout(api: ApiClient, path: string, options: WatchOptions): Promise<App> {
  const giveUpAtMs = options.clock.monotonicMs() + options.timeoutMs;
  for (;;) {
    const app = await api.call(path, appSchema);
    const state = await withAlerts(api, app, rolloutState(app, options.generation));
    options.onState(state, app);
    if (state.state === "done") return app;
    if (state.state === "failed") throw rolloutFailed(app, state);
    if (options.clock.monotonicMs() >= giveUpAtMs) {
      throw new DrawbridgeError({
        kind: "deadline_exceeded",
        code: "ROLLOUT_TIMEOUT",
        message: `${app.name} is not there after ${Math.round(options.timeoutMs / 1000)} s: ${state.because}. The roll-out goes on; look with "drawbridge app show ${app.name} -e ${app.environment}"`,
      });
    }
    await options.clock.sleep(pollMs);
  }
}

/** A fabric that does not take a change over may say why: its state folder is full, or it refused the snapshot. */
async function withAlerts(api: ApiClient, app: App, state: RolloutState): Promise<RolloutState> {
  if (state.state !== "waiting" || (app.status?.observedGeneration ?? 0) >= app.generation) return state;
  const { alerts } = await api.call(`/v1/fabrics/${encodeURIComponent(app.fabricId)}`, fabricSchema);
  const said = alerts.map(({ reason, message }) => `${reason}: ${message}`).join("; ");
  return said === "" ? state : { state: "waiting", because: `${state.because}; it says: ${said}` };
}

/** What goes on serving is part of the fabric's own message. */
function rolloutFailed(app: App, state: { readonly reason: string; readonly message: string }): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ROLLOUT_FAILED",
    message: `revision ${app.revision} of ${app.name} failed on fabric ${app.fabric}: ${state.reason}: ${state.message}. What it wrote: "drawbridge app logs ${app.name} -e ${app.environment}"`,
    details: { reason: state.reason },
  });
}
