import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import { type Clock, type Component } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import type { ClusterDriver, ObservedApp } from "../cluster/cluster-driver.ts";
import type { DesiredSnapshot } from "../desired/app-wish.ts";
import { reportApp, reportUnusable, type AppReport } from "../report/app-report.ts";
import type { Report } from "../report/status-reporter.ts";
import type { AppExecutor } from "./app-executor.ts";
import { planSteps } from "./plan-steps.ts";

export interface ControlLoopOptions {
  readonly driver: Pick<ClusterDriver, "observe">;
  readonly executor: AppExecutor;
  readonly desired: () => DesiredSnapshot | undefined;
  /** How the gates of an app stand, as gateways say. */
  readonly gatesOf: (appId: string) => readonly GateStatus[];
  /** Called after every pass. */
  readonly onReport: (report: Report) => void;
  readonly alerts: AlertBoard;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Observe, plan, execute, report; woken by changes, and by itself now and then. */
export interface ControlLoop extends Component {
  /** Something changed: do not wait for the next pass. */
  wake(): void;
  /** Resolves when the cluster has been observed for the first time. */
  readonly firstPass: Promise<void>;
  /** Apps seen at the last pass. */
  observed(): ReadonlyMap<string, ObservedApp>;
  /** What was reported last; undefined before the first pass. */
  report(): Report | undefined;
}

/** How soon a crash that nobody announced is seen. */
const passIntervalMs = 2_000;
/** While a roll-out goes on its steps are to be seen. */
const busyIntervalMs = 500;
/** Wakes that come together make one pass. */
const settleMs = 20;

export function createControlLoop(options: ControlLoopOptions): ControlLoop {
  const { driver, executor, clock, alerts } = options;
  const logger = options.logger.child({ [field.component]: "control-loop" });
  const stopping = new AbortController();
  const first = Promise.withResolvers<void>();
  let observed: ReadonlyMap<string, ObservedApp> = new Map();
  let last: Report | undefined;
  let waking = Promise.withResolvers<void>();
  let running: Promise<void> = Promise.resolve();

  async function pass(): Promise<void> {
    const apps = await driver.observe(stopping.signal);
    observed = new Map(apps.map((app) => [app.appId, app]));
    first.resolve();
    const desired = options.desired();
    const steps = planSteps({ desired, observed, progress: executor.progress(), nowMs: clock.monotonicMs() });
    for (const step of steps) executor.begin(step);
    if (desired) forgetOthers(desired);
    tellOfGateway();
    last = reportOf(desired);
    options.onReport(last);
  }

  function forgetOthers(desired: DesiredSnapshot): void {
    const known = new Set([...desired.apps, ...desired.unusable, ...desired.tombstones].map(({ appId }) => appId));
    executor.forget((appId) => known.has(appId));
    const strangers = [...observed.values()].filter(({ appId }) => !known.has(appId));
    if (strangers.length === 0) alerts.clear("AppsNotInSnapshot");
    else {
      const names = strangers.map(({ name }) => name).toSorted();
      alerts.raise(
        "AppsNotInSnapshot",
        `${strangers.length} app(s) run here that the control plane neither wants nor deleted (${names.slice(0, 10).join(", ")}): they are left alone`,
      );
    }
  }

  function tellOfGateway(): void {
    const without = [...observed.values()].filter(({ problems }) =>
      problems.some(({ kind }) => kind === "gateway_down"),
    );
    if (without.length === 0) alerts.clear("GatewayDown");
    else {
      const names = without.map(({ name }) => name).toSorted();
      alerts.raise(
        "GatewayDown",
        `the gateway does not run: ${without.length} app(s) with tracked APIs cannot be reached (${names.slice(0, 10).join(", ")}); see its log`,
      );
    }
  }

  function reportOf(desired: DesiredSnapshot | undefined): Report {
    if (desired === undefined) return { generation: 0n, digest: "", apps: [], removedAppIds: [] };
    const now = clock.now();
    const earlier = new Map(last?.apps.map((app) => [app.appId, app.conditions]) ?? []);
    const progress = executor.progress();
    const apps: AppReport[] = [
      ...desired.apps.map((wish) =>
        reportApp({
          wish,
          observed: observed.get(wish.appId),
          progress: progress.get(wish.appId),
          gates: options.gatesOf(wish.appId),
          earlier: earlier.get(wish.appId) ?? [],
          now,
        }),
      ),
      ...desired.unusable.map((app) =>
        reportUnusable(app, {
          observed: observed.get(app.appId),
          gates: options.gatesOf(app.appId),
          earlier: earlier.get(app.appId) ?? [],
          now,
        }),
      ),
    ];
    const removedAppIds = desired.tombstones
      .map(({ appId }) => appId)
      .filter((appId) => !observed.has(appId) && !progress.has(appId));
    return { generation: desired.generation, digest: desired.digest, apps, removedAppIds };
  }

  function isBusy(): boolean {
    return [...executor.progress().values()].some(({ state }) => state !== "applied" && state !== "failed");
  }

  async function waitForNext(): Promise<void> {
    const done = new AbortController();
    const either = AbortSignal.any([done.signal, stopping.signal]);
    const timer = clock.sleep(isBusy() ? busyIntervalMs : passIntervalMs, either).catch(() => undefined); // ends with either
    await Promise.race([timer, waking.promise]);
    done.abort(new Error("woken"));
    if (stopping.signal.aborted) return;
    await clock.sleep(settleMs, stopping.signal).catch(() => undefined); // ends when stopped
    waking = Promise.withResolvers();
  }

  async function run(): Promise<void> {
    let isDown = false;
    while (!stopping.signal.aborted) {
      try {
        await pass();
        if (isDown) logger.info({}, "cluster can be observed again");
        isDown = false;
        alerts.clear("ClusterUnavailable");
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (!isDown) logger.error({ err: error }, "cluster cannot be observed, will retry");
        isDown = true;
        alerts.raise("ClusterUnavailable", "the agent cannot observe its cluster: see its log");
      }
      await waitForNext();
    }
  }

  return {
    name: "control-loop",
    wake: () => waking.resolve(),
    firstPass: first.promise,
    observed: () => observed,
    report: () => last,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      waking.resolve();
      await running;
      await executor.stop();
    },
  };
}
