import type { AppProblem, ObservedApp, ObservedReplica, ReplicaState } from "../cluster-driver.ts";
import { appPaths, readAppRecord } from "./app-folder.ts";
import { isFinished, type CurrentApp, type CurrentReplica } from "./current-app.ts";
import { crashLoopExits } from "./plan-steps.ts";
import { readCurrentApp } from "./read-current-app.ts";

/** `undefined` for a folder that is no app's. */
export function observeApp(stateDirectory: string, appId: string): ObservedApp | undefined {
  const paths = appPaths(stateDirectory, appId);
  const record = readAppRecord(paths);
  const current = readCurrentApp(paths);
  if (record === undefined && current.replicas.length === 0 && current.fronts.length === 0) return undefined;
  const served = [
    ...current.fronts.filter(({ wish }) => wish === undefined),
    ...(current.route ? [current.route] : []),
  ];
  const replicas = current.replicas.filter((replica) => !isFinished(replica));
  const serving = replicas.filter(
    (replica) => replica.phase === "ready" && current.endpoints.replicaIds.includes(replica.unitId),
  );
  return {
    appId,
    name: record?.name ?? "",
    environmentName: record?.environmentName ?? "",
    replicas: replicas.map(toObservedReplica),
    servingRevision: serving.reduce<bigint>(
      (oldest, { revision }) => (oldest === 0n || revision < oldest ? revision : oldest),
      0n,
    ),
    appliedSpecDigest: record?.appliedSpecDigest ?? "",
    appliedGeneration: record?.appliedGeneration ?? 0n,
    endpoints: [
      ...new Set(
        served
          .filter(({ status }) => status === "listening")
          .map(({ address, port }) => `http://${address.includes(":") ? `[${address}]` : address}:${port}`),
      ),
    ],
    problems: findProblems(current, replicas),
  };
}

function toObservedReplica(replica: CurrentReplica): ObservedReplica {
  return {
    replicaId: replica.unitId,
    revision: replica.revision,
    state: replicaState(replica),
    restarts: replica.restarts,
    startedAt: replica.startedAt,
    lastExit: replica.lastExit,
  };
}

function replicaState(replica: CurrentReplica): ReplicaState {
  if (replica.wish !== undefined) return "draining";
  const isClaimedAlive = replica.phase === "ready" || replica.phase === "unready";
  return isClaimedAlive && !replica.hasProcess ? "crashed" : replica.phase;
}

function findProblems(current: CurrentApp, replicas: readonly CurrentReplica[]): readonly AppProblem[] {
  const crashLoops = replicas
    .filter((replica) => replica.exits >= crashLoopExits && replica.phase !== "ready")
    .map(({ unitId, restarts, lastExit }): AppProblem => ({
      kind: "crash_loop",
      replicaId: unitId,
      restarts,
      lastExit,
    }));
  const lostPorts = [...current.fronts, ...(current.route ? [current.route] : [])]
    .filter((front) => front.status === "port_in_use")
    .map(({ port, detail }): AppProblem => ({ kind: "port_in_use", port, holder: detail === "" ? undefined : detail }));
  return [...gatewayProblems(current), ...crashLoops, ...lostPorts, ...sharedPortProblems(current)];
}

function sharedPortProblems({ route, hasSharedPort }: CurrentApp): readonly AppProblem[] {
  const hosts = [...new Set((route?.hosts ?? []).map(({ host }) => host))];
  return hosts.length === 0 || hasSharedPort ? [] : [{ kind: "no_shared_port", hosts }];
}

function gatewayProblems({ route, gateway }: CurrentApp): readonly AppProblem[] {
  if (route === undefined || (gateway.hasShim && !gateway.isFailing)) return [];
  return [{ kind: "gateway_down", lastExit: gateway.lastExit }];
}
