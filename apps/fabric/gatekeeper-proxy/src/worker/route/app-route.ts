import type { CompiledApi } from "@drawbridge/policies";
import type { BlockedReason } from "../../workers/protocol.ts";
import type { GatePoint } from "./gate-point.ts";
import type { BindingTable } from "./match-binding.ts";
import type { Replica } from "./replica.ts";

export interface DeploymentRoute {
  readonly deployment: string;
  readonly bindings: BindingTable;
  readonly ready: readonly Replica[];
}

/** What becomes of a request of an app. */
export type Plan =
  /** Not tracked: no policies, no analytics (GK 2). */
  | { readonly plan: "untracked"; readonly ready: readonly Replica[] }
  | {
      readonly plan: "tracked";
      readonly gate: GatePoint;
      /** `undefined`: passthrough. */
      readonly api: CompiledApi | undefined;
      readonly relativePath: string;
      /** Template of the tracked resource; empty where the API lists none. */
      readonly resource: string;
      readonly ready: readonly Replica[];
    }
  | {
      readonly plan: "blocked";
      readonly gate: GatePoint;
      readonly reason: BlockedReason;
      readonly relativePath: string;
      readonly resource: string;
    };

/** An app as requests find it; replaced as a whole. */
export interface AppRoute {
  readonly appId: string;
  readonly appName: string;
  /** Newest first. */
  readonly deployments: readonly DeploymentRoute[];
}

/*
 * Invariants:
 * - A request for a tracked resource of a deployment goes to that deployment only if the gate there is open (GK 1).
 * - Replicas of several deployments share a request only if all of them would judge it in the same way: the newest
 *   deployment that may answer decides how.
 */
export function planRequest(app: AppRoute, method: string, path: string): Plan {
  const { deployments } = app;
  const [only] = deployments;
  if (deployments.length === 1 && only !== undefined) return planAt(only, method, path);
  let chosen: Exclude<Plan, { readonly plan: "blocked" }> | undefined;
  let blocked: Plan | undefined;
  const ready: Replica[] = [];
  for (const deployment of deployments) {
    const plan = planAt(deployment, method, path);
    if (plan.plan === "blocked") blocked ??= plan;
    else if (chosen === undefined || (chosen.ready.length === 0 && plan.ready.length > 0)) {
      chosen = plan;
      ready.length = 0;
      ready.push(...plan.ready);
    } else if (isJudgedAlike(chosen, plan)) ready.push(...plan.ready);
  }
  if (chosen === undefined) return blocked ?? { plan: "untracked", ready: [] };
  // A gate that is closed is a better answer than a deployment without replicas.
  if (ready.length === 0 && blocked !== undefined) return blocked;
  return { ...chosen, ready };
}

function planAt({ bindings, ready }: DeploymentRoute, method: string, path: string): Plan {
  const match = bindings.match(method, path);
  if (match === undefined) return { plan: "untracked", ready };
  const { gate, relativePath, resource } = match;
  const { verdict } = gate;
  switch (verdict.verdict) {
    case "closed":
      return { plan: "blocked", gate, reason: verdict.reason, relativePath, resource };
    case "open":
      return { plan: "tracked", gate, api: verdict.api, relativePath, resource, ready };
    case "passthrough":
      return { plan: "tracked", gate, api: undefined, relativePath, resource, ready };
  }
}

function isJudgedAlike(one: Plan, other: Plan): boolean {
  if (one.plan === "untracked") return other.plan === "untracked";
  return (
    one.plan === "tracked" &&
    other.plan === "tracked" &&
    one.api === other.api &&
    one.relativePath === other.relativePath
  );
}
