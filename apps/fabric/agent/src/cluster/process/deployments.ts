import type { DeploymentEndpoints, DeploymentGates } from "@drawbridge/app-routes";
import type { DesiredApp } from "../cluster-driver.ts";
import type { CurrentReplica } from "./current-app.ts";
import type { DriverLogger } from "./driver-options.ts";
import { gatesOf } from "./unit-specs.ts";

/** The replicas that get requests, by deployment, newest first. */
export function deploymentsOf(
  app: DesiredApp,
  about: {
    readonly replicas: readonly CurrentReplica[];
    readonly replicaIds: readonly string[];
    /** Of the deployment that is wanted. */
    readonly template: string;
  },
): readonly DeploymentEndpoints[] {
  const served = about.replicas.filter(({ unitId }) => about.replicaIds.includes(unitId));
  const byTemplate = Map.groupBy(served, ({ templateDigest }) => templateDigest);
  return [...byTemplate.entries()]
    .toSorted(([, left], [, right]) => newest(right) - newest(left))
    .map(([key, replicas]) => {
      const known = replicas.find(({ gates }) => gates !== undefined)?.gates;
      const { runtimeVersion, level, levelSource, apis } = known ?? gatesOfUnknown(app, key, about.template);
      const revision = String(replicas[0]?.revision ?? 0n);
      const replicaIds = replicas.map(({ unitId }) => unitId);
      return { key, revision, replicaIds, runtimeVersion, level, levelSource, apis };
    });
}

/** What gates a replica that is started now has: those of its deployment, as they were when it began. */
export function deploymentGates(
  app: DesiredApp,
  about: { readonly replicas: readonly CurrentReplica[]; readonly template: string },
  logger: DriverLogger,
): DeploymentGates {
  const sister = about.replicas.find(({ templateDigest, gates }) => templateDigest === about.template && gates);
  if (sister?.gates) return sister.gates;
  const { problem, ...gates } = gatesOf(app);
  if (problem !== undefined) logger.warn({ app_id: app.appId, problem }, "gatekeeper level is not valid: strict");
  return gates;
}

/** Started by an agent that wrote down no gates: what is wanted now is known, what was wanted before had none. */
function gatesOfUnknown(app: DesiredApp, key: string, template: string): DeploymentGates {
  const { problem: _told, ...gates } = gatesOf(app);
  return key === template ? gates : { ...gates, apis: [] };
}

function newest(replicas: readonly CurrentReplica[]): number {
  return Math.max(...replicas.map(({ createdAt }) => createdAt.getTime()));
}
