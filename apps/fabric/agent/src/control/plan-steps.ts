import type { ObservedApp } from "../cluster/cluster-driver.ts";
import type { AppWish, DesiredSnapshot, UnusableApp } from "../desired/app-wish.ts";
import { removalKey, type AppProgress } from "./app-progress.ts";

/** What to do next about one app. */
export type Step =
  | { readonly action: "apply"; readonly appId: string; readonly wish: AppWish }
  /** It was applied before and is not as it should be: the driver looks at it again. */
  | { readonly action: "repair"; readonly appId: string; readonly wish: AppWish }
  | { readonly action: "remove"; readonly appId: string; readonly name: string }
  /** Its wish cannot be used: work on an older one is given up. */
  | { readonly action: "refuse"; readonly appId: string; readonly app: UnusableApp };

export interface PlanInput {
  readonly desired: DesiredSnapshot | undefined;
  readonly observed: ReadonlyMap<string, ObservedApp>;
  readonly progress: ReadonlyMap<string, AppProgress>;
  readonly nowMs: number;
}

/** Between two looks of the driver at an app that is not as it should be. */
const repairIntervalMs = 2_000;
/** Every app is looked at again this often, whatever it seems to be. */
const resyncIntervalMs = 60_000;

/**
 * Compare the wish with what is there. Nothing is planned without a wish, an app without a tombstone is never removed, and
 * an app that is under way to its wish, or waits after a failure, is left alone.
 */
export function planSteps({ desired, observed, progress, nowMs }: PlanInput): readonly Step[] {
  if (desired === undefined) return [];
  const steps: Step[] = [];
  for (const wish of desired.apps) {
    const action = actionFor(wish, { observed: observed.get(wish.appId), progress: progress.get(wish.appId), nowMs });
    if (action !== "leave") steps.push({ action, appId: wish.appId, wish });
  }
  for (const app of desired.unusable) {
    if (progress.get(app.appId)?.state !== "failed") steps.push({ action: "refuse", appId: app.appId, app });
  }
  for (const { appId, name } of desired.tombstones) {
    // Also where nothing is to be seen yet: work on it may be under way and is cancelled by the removal.
    if ((observed.has(appId) || progress.has(appId)) && isRemovalDue(progress.get(appId), nowMs))
      steps.push({ action: "remove", appId, name });
  }
  return steps;
}

function actionFor(
  wish: AppWish,
  about: {
    readonly observed: ObservedApp | undefined;
    readonly progress: AppProgress | undefined;
    readonly nowMs: number;
  },
): "apply" | "repair" | "leave" {
  const { observed, progress, nowMs } = about;
  if (progress === undefined || progress.key !== wish.specDigest) return "apply";
  switch (progress.state) {
    case "waiting":
    case "fetching":
    case "applying":
    case "removing":
      return "leave";
    case "failed":
      return nowMs >= progress.retryAtMs ? "apply" : "leave";
    case "applied": {
      const ageMs = nowMs - progress.atMs;
      if (ageMs >= resyncIntervalMs) return "repair";
      return ageMs >= repairIntervalMs && !isAsWished(wish, observed) ? "repair" : "leave";
    }
  }
}

/** Whether what is there is what is wanted; replicas that only restart are the driver's business and count as there. */
export function isAsWished(wish: AppWish, observed: ObservedApp | undefined): boolean {
  if (observed === undefined || observed.appliedSpecDigest !== wish.specDigest) return false;
  if (observed.problems.some(({ kind }) => kind === "gateway_down")) return false;
  const alive = observed.replicas.filter(({ state }) => state !== "stopped" && state !== "draining");
  return alive.length === (wish.desiredState === "running" ? wish.replicas : 0);
}

function isRemovalDue(progress: AppProgress | undefined, nowMs: number): boolean {
  if (progress === undefined || progress.key !== removalKey) return true;
  return progress.state === "failed" && nowMs >= progress.retryAtMs;
}
