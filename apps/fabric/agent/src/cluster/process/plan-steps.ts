import { isDeepStrictEqual } from "node:util";
import type { HostPath } from "@drawbridge/app-routes";
import { isFinished, type CurrentApp, type CurrentReplica } from "./current-app.ts";

/** A spec, reduced to what a plan needs. */
export interface DesiredRollout {
  /** Replicas of another template are to be replaced. */
  readonly templateDigest: string;
  readonly replicas: number;
  /** Where the app is served; `undefined` while it is stopped. */
  readonly port: number | undefined;
  /** "gateway": its manifest names APIs, or it has hosts or speaks h2c, and nothing else may serve it. */
  readonly server: "front" | "gateway";
  /** On shared ports. */
  readonly hosts: readonly HostPath[];
  readonly maxSurge: number;
  readonly readyTimeoutMs: number;
  /** How many stopped replicas are kept for their logs. */
  readonly keepStopped: number;
}

export type Step =
  /** A shim died: put a new one over the process, or start the process again. */
  | { readonly action: "recover_unit"; readonly kind: "replica" | "front"; readonly unitId: string }
  | { readonly action: "start_front"; readonly port: number }
  | { readonly action: "stop_front"; readonly unitId: string }
  | { readonly action: "fail_front"; readonly unitId: string; readonly port: number; readonly why: FrontFailure }
  /** Start the fabric's gateway, or put a new shim over it. */
  | { readonly action: "start_gateway" }
  /** Let the gateway serve the app at this port. */
  | { readonly action: "route_app"; readonly port: number }
  | { readonly action: "unroute_app" }
  | { readonly action: "fail_route"; readonly port: number; readonly why: RouteFailure }
  | { readonly action: "start_replica" }
  /** Give these, and only these, new requests. */
  | { readonly action: "publish_endpoints"; readonly replicaIds: readonly string[] }
  /** No new requests from now on. */
  | { readonly action: "drain_replica"; readonly replicaId: string }
  /** It has no requests any more, or had time enough. */
  | { readonly action: "stop_replica"; readonly replicaId: string }
  | { readonly action: "kill_unit"; readonly kind: "replica" | "front"; readonly unitId: string }
  /** Remove the folder of a stopped one. */
  | { readonly action: "discard_unit"; readonly kind: "replica" | "front"; readonly unitId: string }
  /** The new version does not come up: stop what is new and not ready, and say why. */
  | { readonly action: "fail_rollout"; readonly replicaIds: readonly string[]; readonly why: RolloutFailure }
  /** Look again soon. */
  | { readonly action: "wait" };

export type FrontFailure =
  | { readonly kind: "port_in_use"; readonly holder: string }
  | { readonly kind: "cannot_listen"; readonly code: string };

export type RouteFailure = FrontFailure | { readonly kind: "gateway_down"; readonly lastExit: string };

export type RolloutFailure =
  | { readonly kind: "crash_loop"; readonly replicaId: string; readonly exits: number; readonly lastExit: string }
  | { readonly kind: "not_ready"; readonly replicaId: string };

/** As many ends of a new replica are not bad luck any more. */
export const crashLoopExits = 3;
/** A shim that has not ended its process so long after the deadline hangs. */
const hungAfterMs = 10_000;

/**
 * What to do next to get from `current` to `desired`; empty when there. Every step may be repeated, and a plan may be
 * dropped after any step: the next one starts from what is then observed.
 *
 * Invariants: replicas that answer never become fewer than desired while new ones come up, and never more than
 * `maxSurge` are added; an old replica goes only when a new one is ready; a replica is stopped only after the front
 * has said that it routes without it and that its last request has ended, or when its time is up. A replica of a deployment
 * with APIs is only ever reached through the gateway: no front of the app lives while there is one.
 */
export function planSteps(current: CurrentApp, desired: DesiredRollout, now: Date): readonly Step[] {
  const recoveries = planRecoveries(current, desired);
  if (recoveries.length > 0) return recoveries;
  const served = needsGateway(current, desired) ? planRoute(current, desired) : planFront(current, desired);
  if (served.length > 0) return served;

  const active = current.replicas.filter((replica) => replica.wish === undefined && !isGone(replica, desired));
  const fresh = active.filter((replica) => replica.templateDigest === desired.templateDigest);
  const old = active.filter((replica) => replica.templateDigest !== desired.templateDigest);
  const failure = findFailure({ fresh, hasOld: old.length > 0 }, desired, now);
  if (failure !== undefined) return [failure];

  const leaving = chooseLeaving({ fresh, old }, desired);
  const remaining = active.filter((replica) => !leaving.includes(replica));
  const steps: Step[] = [
    ...leaving.map((replica): Step => ({ action: "drain_replica", replicaId: replica.unitId })),
    ...planEndpoints(current, remaining),
    ...planStarts({ fresh, old }, desired),
    ...planStops(current, now),
    ...planDiscards(current, desired),
  ];
  const isUnderWay =
    current.replicas.some((replica) => replica.wish !== undefined && !isFinished(replica)) ||
    old.length > 0 ||
    fresh.length !== desired.replicas ||
    fresh.some((replica) => replica.lastReadyAt === undefined);
  if (!isUnderWay) steps.push(...planOldFronts(current, desired));
  if (isUnderWay || steps.length > 0) steps.push({ action: "wait" });
  return steps;
}

/** Nothing of it lives, and it is not one that would be started again. */
function isGone(replica: CurrentReplica, desired: DesiredRollout): boolean {
  if (isFinished(replica)) return true;
  return !replica.hasShim && !replica.hasProcess && replica.templateDigest !== desired.templateDigest;
}

function planRecoveries(current: CurrentApp, desired: DesiredRollout): readonly Step[] {
  const replicas = current.replicas.filter((replica) => !replica.hasShim && !isGone(replica, desired));
  const fronts = current.fronts.filter((front) => !front.hasShim && !isFinished(front));
  return [
    ...fronts.map(({ unitId }): Step => ({ action: "recover_unit", kind: "front", unitId })),
    ...replicas.map(({ unitId }): Step => ({ action: "recover_unit", kind: "replica", unitId })),
  ];
}

function needsGateway(current: CurrentApp, desired: DesiredRollout): boolean {
  return (
    desired.server === "gateway" ||
    current.replicas.some((replica) => isOnlyForGateway(replica) && !isFinished(replica))
  );
}

/** A front knows neither policies nor HTTP/2. */
function isOnlyForGateway({ gates, protocol }: CurrentReplica): boolean {
  return (gates?.apis.length ?? 0) > 0 || protocol === "h2c";
}

/** As with a front the port comes first. A front that served the app until now goes when the gateway has its place. */
function planRoute(current: CurrentApp, { port, hosts }: DesiredRollout): readonly Step[] {
  const { gateway, route } = current;
  if (port === undefined) return [];
  if (!gateway.hasShim) return [{ action: "start_gateway" }];
  if (route === undefined || route.port !== port || !isDeepStrictEqual(route.hosts, hosts)) {
    return [{ action: "route_app", port }];
  }
  const front = current.fronts.find((candidate) => candidate.port === port && !isFinished(candidate));
  const retirement: readonly Step[] | undefined = front && [
    ...(front.wish === undefined ? [{ action: "stop_front", unitId: front.unitId } as const] : []),
    { action: "wait" },
  ];
  switch (route.status) {
    case "listening":
      return retirement ?? [];
    case "port_in_use":
      return retirement ?? [{ action: "fail_route", port, why: { kind: "port_in_use", holder: route.detail } }];
    case "cannot_listen":
      return [{ action: "fail_route", port, why: { kind: "cannot_listen", code: route.detail } }];
    case "starting":
    case "stopping":
      if (!gateway.isFailing) return [{ action: "wait" }];
      return [{ action: "fail_route", port, why: { kind: "gateway_down", lastExit: gateway.lastExit } }];
  }
}

/** The app's port comes first: where it cannot be had, nothing else changes. */
function planFront(current: CurrentApp, desired: DesiredRollout): readonly Step[] {
  const { port } = desired;
  if (port === undefined) return [];
  const front = current.fronts.find((candidate) => candidate.port === port && !isFinished(candidate));
  if (front === undefined) return [{ action: "start_front", port }];
  // On its way out, for a spec that has been taken back: its port is needed again.
  if (front.wish !== undefined) return [{ action: "kill_unit", kind: "front", unitId: front.unitId }];
  const { unitId, status, detail } = front;
  switch (status) {
    case "listening":
      return [];
    case "port_in_use":
      return [{ action: "fail_front", unitId, port, why: { kind: "port_in_use", holder: detail } }];
    case "cannot_listen":
      return [{ action: "fail_front", unitId, port, why: { kind: "cannot_listen", code: detail } }];
    case "starting":
    case "stopping":
      if (front.exits < crashLoopExits) return [{ action: "wait" }];
      return [{ action: "fail_front", unitId, port, why: { kind: "cannot_listen", code: front.lastExit } }];
  }
}

function findFailure(
  { fresh, hasOld }: { readonly fresh: readonly CurrentReplica[]; readonly hasOld: boolean },
  desired: DesiredRollout,
  now: Date,
): Step | undefined {
  for (const replica of fresh) {
    const { unitId: replicaId, exits, lastExit, lastReadyAt } = replica;
    // A replica that was ready once has proven its version, unless an older version could still serve in its place.
    if (replica.phase === "ready" || (lastReadyAt !== undefined && !hasOld)) continue;
    const isLate = now.getTime() - (lastReadyAt ?? replica.createdAt).getTime() > desired.readyTimeoutMs;
    if (exits < crashLoopExits && !isLate) continue;
    const unready = fresh.filter((candidate) => candidate.phase !== "ready");
    return {
      action: "fail_rollout",
      replicaIds: unready.map((candidate) => candidate.unitId),
      why: exits > 0 ? { kind: "crash_loop", replicaId, exits, lastExit } : { kind: "not_ready", replicaId },
    };
  }
  return undefined;
}

/** Replicas to take out of service now. */
function chooseLeaving(
  { fresh, old }: { readonly fresh: readonly CurrentReplica[]; readonly old: readonly CurrentReplica[] },
  desired: DesiredRollout,
): readonly CurrentReplica[] {
  if (desired.replicas === 0) return [...fresh, ...old];
  const surplus = byWorth(fresh).slice(desired.replicas);
  const staying = fresh.filter((replica) => !surplus.includes(replica));
  const readyFresh = staying.filter(isReady).length;
  if (readyFresh >= desired.replicas) return [...surplus, ...old];

  const readyOld = old.filter(isReady).length;
  const spare = Math.max(0, readyFresh + readyOld - desired.replicas);
  const unreadyOld = old.filter((replica) => !isReady(replica));
  const isFull = staying.length + old.length >= desired.replicas + desired.maxSurge;
  // One that does not answer anyway may go first, but not before the new version has shown that it can serve.
  const unreadyLeaving = readyFresh > 0 || (isFull && staying.length === 0) ? unreadyOld : [];
  return [...surplus, ...unreadyLeaving, ...byWorth(old.filter(isReady)).slice(Math.max(0, readyOld - spare))];
}

/** Ready ones first, then the older: what comes last may go first. */
function byWorth(replicas: readonly CurrentReplica[]): readonly CurrentReplica[] {
  return replicas.toSorted(
    (left, right) =>
      Number(isReady(right)) - Number(isReady(left)) || left.createdAt.getTime() - right.createdAt.getTime(),
  );
}

function planEndpoints(current: CurrentApp, remaining: readonly CurrentReplica[]): readonly Step[] {
  const wanted = remaining.map((replica) => replica.unitId).toSorted();
  const isCurrent = wanted.join(" ") === current.endpoints.replicaIds.toSorted().join(" ");
  return isCurrent ? [] : [{ action: "publish_endpoints", replicaIds: wanted }];
}

function planStarts(
  { fresh, old }: { readonly fresh: readonly CurrentReplica[]; readonly old: readonly CurrentReplica[] },
  desired: DesiredRollout,
): readonly Step[] {
  const missing = desired.replicas - fresh.length;
  const room = desired.replicas + desired.maxSurge - fresh.length - old.length;
  return Array.from({ length: Math.max(0, Math.min(missing, room)) }, (): Step => ({ action: "start_replica" }));
}

function planStops(current: CurrentApp, now: Date): readonly Step[] {
  const steps: Step[] = [];
  for (const replica of current.replicas) {
    const { wish, unitId } = replica;
    if (wish === undefined || isFinished(replica)) continue;
    const isOverdue = now.getTime() > wish.deadlineAt.getTime() + hungAfterMs;
    if (wish.wish === "stop" && isOverdue) steps.push({ action: "kill_unit", kind: "replica", unitId });
    // Again and again until the shim has taken it up: the agent may have died between the wish and the signal.
    else if (wish.wish === "stop" && replica.phase !== "draining")
      steps.push({ action: "stop_replica", replicaId: unitId });
    else if (wish.wish === "drain" && (now >= wish.deadlineAt || isQuiet(current, unitId))) {
      steps.push({ action: "stop_replica", replicaId: unitId });
    }
  }
  return steps;
}

/** Every front that serves, and the gateway, routes without the replica and has no request of its left. */
function isQuiet({ fronts, route, endpoints }: CurrentApp, replicaId: string): boolean {
  if (endpoints.replicaIds.includes(replicaId)) return false;
  return [...fronts, ...(route ? [route] : [])]
    .filter((front) => front.hasProcess && front.status !== "port_in_use" && front.status !== "cannot_listen")
    .every((front) => front.sequence >= endpoints.sequence && (front.draining[replicaId] ?? 0) === 0);
}

function planDiscards(current: CurrentApp, desired: DesiredRollout): readonly Step[] {
  const finished = current.replicas
    .filter((replica) => isGone(replica, desired))
    .toSorted((left, right) => right.createdAt.getTime() - left.createdAt.getTime());
  return finished.slice(desired.keepStopped).map(({ unitId }) => ({ action: "discard_unit", kind: "replica", unitId }));
}

/** Fronts at a port that the app has left, once nothing depends on them. */
function planOldFronts(current: CurrentApp, desired: DesiredRollout): readonly Step[] {
  const isRouted = desired.port !== undefined && needsGateway(current, desired);
  const unrouted: readonly Step[] = current.route && !isRouted ? [{ action: "unroute_app" }] : [];
  const fronts = current.fronts
    .filter((front) => front.port !== desired.port || front.wish !== undefined || isRouted)
    .map((front): Step => {
      const { unitId } = front;
      if (isFinished(front)) return { action: "discard_unit", kind: "front", unitId };
      return front.wish === undefined ? { action: "stop_front", unitId } : { action: "wait" };
    });
  return [...unrouted, ...fronts];
}

function isReady(replica: CurrentReplica): boolean {
  return replica.phase === "ready";
}
