import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import { field, withSpan, type Logger } from "@drawbridge/telemetry";
import type { BundleStore } from "../artefacts/bundle-store.ts";
import type { ConfigurationStore } from "../artefacts/configuration-store.ts";
import type { ClusterDriver } from "../cluster/cluster-driver.ts";
import type { AppWish } from "../desired/app-wish.ts";
import { removalKey, type AppProgress } from "./app-progress.ts";
import { desiredAppOf } from "./desired-app.ts";
import { failureOf, logFieldsOf, type Failure } from "./failure-reason.ts";
import type { Step } from "./plan-steps.ts";
import type { Slots } from "./slots.ts";

export interface AppExecutorOptions {
  readonly driver: Pick<ClusterDriver, "apply" | "remove">;
  readonly bundles: Pick<BundleStore, "obtain">;
  readonly configurations: Pick<ConfigurationStore, "obtain">;
  /** Bounds how many apps are fetched and rolled out at once. Stopping and removing never wait. */
  readonly slots: Slots;
  /** An app was brought up from a bundle: remembered before older bundles may go. */
  readonly onApplied: (wish: AppWish) => Promise<void>;
  /** Nothing is left of an app. */
  readonly onRemoved: (appId: string) => Promise<void>;
  /** Progress changed: report it and plan again. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Carries out steps, apps side by side, one thing at a time per app. */
export interface AppExecutor {
  /** Begin a step. What is under way for the app towards something else is cancelled, and this begins when it has ended. */
  begin(step: Step): void;
  progress(): ReadonlyMap<string, AppProgress>;
  /** Apps that are no longer spoken of. */
  forget(isKept: (appId: string) => boolean): void;
  stop(): Promise<void>;
}

interface Work {
  readonly key: string;
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** Pauses after a failure: short where a peer was away, minutes where the app itself did not come up. */
const pauses = {
  soon: { baseMs: 2_000, capMs: 60_000, floorMs: 1_000 },
  later: { baseMs: 60_000, capMs: 600_000, floorMs: 30_000 },
} as const;

/** Invariant: per app at most one work touches the driver; its successor awaits its end, also when it was cancelled. */
export function createAppExecutor(options: AppExecutorOptions): AppExecutor {
  const { driver, bundles, configurations, slots, clock, random } = options;
  const logger = options.logger.child({ [field.component]: "executor" });
  const progress = new Map<string, AppProgress>();
  const works = new Map<string, Work>();
  /** Failures in a row towards one key. */
  const failures = new Map<string, { readonly key: string; readonly count: number }>();
  const stopping = new AbortController();

  function set(appId: string, next: AppProgress): void {
    progress.set(appId, next);
    options.onChange();
  }

  function fail(appId: string, key: string, failure: Failure): void {
    const before = failures.get(appId);
    const attempt = before?.key === key ? before.count : 0;
    failures.set(appId, { key, count: attempt + 1 });
    const delayMs = fullJitterDelayMs({ attempt, ...pauses[failure.outlook], random });
    const { reason, message } = failure;
    set(appId, { state: "failed", key, reason, message, attempt, retryAtMs: clock.monotonicMs() + delayMs });
  }
  async function apply(wish: AppWish, mode: "apply" | "repair", signal: AbortSignal): Promise<void> {
    const { appId, specDigest: key } = wish;
    // A repair is no roll-out: the app counts as applied while the driver looks at it.
    const show = (state: "waiting" | "fetching" | "applying"): void => {
      if (mode === "apply") set(appId, { state, key });
    };
    let doing: "bundle" | "configuration" | "apply" = "bundle";
    show("waiting");
    const release = wish.desiredState === "stopped" ? () => undefined : await slots.acquire(signal);
    try {
      show("fetching");
      const bundle = await bundles.obtain(wish.bundle, signal);
      doing = "configuration";
      const configuration = wish.configuration && (await configurations.obtain(wish.configuration, signal));
      const app = desiredAppOf(wish, bundle, configuration);
      doing = "apply";
      show("applying");
      await driver.apply(app, signal);
      await options.onApplied(wish);
      failures.delete(appId);
      set(appId, { state: "applied", key, atMs: clock.monotonicMs() });
    } catch (error) {
      signal.throwIfAborted();
      fail(appId, key, failureOf(error, doing));
      throw error;
    } finally {
      release();
    }
  }

  async function remove(appId: string, signal: AbortSignal): Promise<void> {
    set(appId, { state: "removing", key: removalKey });
    try {
      await driver.remove(appId, signal);
      await options.onRemoved(appId);
      progress.delete(appId);
      failures.delete(appId);
      options.onChange();
    } catch (error) {
      signal.throwIfAborted();
      fail(appId, removalKey, failureOf(error, "remove"));
      throw error;
    }
  }

  const execute: {
    readonly [A in Step["action"]]: (step: Extract<Step, { action: A }>, signal: AbortSignal) => Promise<void>;
  } = {
    apply: ({ wish }, signal) => traced(wish, () => apply(wish, "apply", signal)),
    repair: ({ wish }, signal) => apply(wish, "repair", signal),
    remove: ({ appId }, signal) => remove(appId, signal),
    refuse: ({ appId, app }) => {
      set(appId, {
        state: "failed",
        key: `unusable ${app.generation}`,
        reason: "SpecInvalid",
        message: app.problem,
        attempt: 0,
        retryAtMs: Infinity,
      });
      return Promise.resolve();
    },
  };

  function traced(wish: AppWish, work: () => Promise<void>): Promise<void> {
    const attributes = {
      "drawbridge.app_id": wish.appId,
      "drawbridge.app_name": wish.name,
      "drawbridge.revision": wish.revision.toString(),
      "drawbridge.generation": wish.generation.toString(),
    };
    return withSpan("agent.apply", attributes, work, { parent: wish.traceparent });
  }

  async function run(step: Step, before: Work | undefined, signal: AbortSignal): Promise<void> {
    await before?.done;
    if (signal.aborted) return;
    const startedMs = clock.monotonicMs();
    const about = { [field.appId]: step.appId, action: step.action };
    try {
      // The map is keyed by the step's own action, so the executor found is the one for this step.
      await (execute[step.action] as (step: Step, signal: AbortSignal) => Promise<void>)(step, signal);
      const facts = {
        ...about,
        [field.durationMs]: Math.round(clock.monotonicMs() - startedMs),
        [field.outcome]: "done",
      };
      if (step.action === "repair") logger.debug(facts, "app step");
      else logger.info(facts, "app step");
    } catch (error) {
      if (signal.aborted) logger.info({ ...about, [field.outcome]: "cancelled" }, "app step");
      else logger.warn({ ...about, [field.outcome]: "failed", ...logFieldsOf(error) }, "app step");
    }
  }

  return {
    progress: () => progress,
    begin(step) {
      if (stopping.signal.aborted) return;
      const key = keyOf(step);
      const before = works.get(step.appId);
      if (before?.key === key && !before.controller.signal.aborted) return;
      before?.controller.abort(new Error("something newer is wanted of this app"));
      const controller = new AbortController();
      const signal = AbortSignal.any([controller.signal, stopping.signal]);
      const done = run(step, before, signal).finally(() => {
        if (works.get(step.appId)?.controller === controller) works.delete(step.appId);
      });
      works.set(step.appId, { key, controller, done });
    },
    forget(isKept) {
      for (const appId of progress.keys()) {
        if (isKept(appId)) continue;
        works.get(appId)?.controller.abort(new Error("this app is no longer spoken of"));
        progress.delete(appId);
        failures.delete(appId);
      }
    },
    async stop() {
      stopping.abort(new Error("the agent is stopping"));
      await Promise.all([...works.values()].map(({ done }) => done));
    },
  };
}

function keyOf(step: Step): string {
  switch (step.action) {
    case "apply":
    case "repair":
      return step.wish.specDigest;
    case "remove":
      return removalKey;
    case "refuse":
      return `unusable ${step.app.generation}`;
  }
}
