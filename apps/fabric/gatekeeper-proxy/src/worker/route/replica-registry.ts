import type { Deployment, InFlight, Replicas } from "../../workers/protocol.ts";
import type { Endpoint, Upstream } from "../upstream/upstream.ts";
import type { Replica } from "./replica.ts";

/** The replicas that requests of this thread go to, and those that they still are at. */
export interface ReplicaRegistry {
  /** Make the ready replicas of an app's deployments known; those that are not listed any more drain. */
  replace(appId: string, deployments: readonly Pick<Replicas, "ready" | "listed">[]): void;
  /** The ready replicas of a deployment that was made known, in their order. */
  readyOf(appId: string, replicas: Pick<Deployment, "ready">): readonly Replica[];
  remove(appId: string): void;
  draining(): InFlight["draining"];
  /** An attempt at it is over. True if the list of those that drain has changed. */
  onReleased(replica: Replica): boolean;
  tick(nowMs: number): void;
}

/*
 * Invariant: a replica is in `apps` while it is listed at the same address and then in `leaving` until the last request at
 * it has ended; its idle connections are closed at that change, so that its graceful stop has nothing to wait for.
 */
export function createReplicaRegistry(connect: (endpoint: Endpoint) => Upstream): ReplicaRegistry {
  const apps = new Map<string, Map<string, Replica>>();
  const leaving = new Map<Replica, string>();

  function retire(appId: string, replica: Replica): void {
    replica.isListed = false;
    replica.upstream.retire();
    if (replica.inFlight > 0) leaving.set(replica, appId);
  }

  return {
    replace(appId, deployments) {
      const known = apps.get(appId) ?? new Map<string, Replica>();
      const next = new Map<string, Replica>();
      const listed = new Set(deployments.flatMap((deployment) => deployment.listed));
      for (const endpoint of deployments.flatMap((deployment) => deployment.ready)) {
        const key = keyOf(endpoint);
        next.set(key, known.get(key) ?? newReplica(endpoint, connect));
        listed.add(endpoint.replicaId);
      }
      for (const [key, replica] of known) {
        if (next.has(key)) continue;
        // Unready for now: its connections stay for when it is ready again at the same address.
        if (listed.has(replica.endpoint.replicaId)) next.set(key, replica);
        else retire(appId, replica);
      }
      apps.set(appId, next);
    },
    readyOf(appId, { ready }) {
      const known = apps.get(appId);
      return ready.flatMap((endpoint) => known?.get(keyOf(endpoint)) ?? []);
    },
    remove(appId) {
      for (const replica of apps.get(appId)?.values() ?? []) retire(appId, replica);
      apps.delete(appId);
    },
    draining: () =>
      [...leaving].map(([{ endpoint, inFlight }, appId]) => ({
        appId,
        replicaId: endpoint.replicaId,
        count: inFlight,
      })),
    onReleased(replica) {
      if (replica.isListed) return false;
      if (replica.inFlight === 0) leaving.delete(replica);
      return true;
    },
    tick(nowMs) {
      for (const replicas of apps.values()) for (const { upstream } of replicas.values()) upstream.tick(nowMs);
      for (const { upstream } of leaving.keys()) upstream.tick(nowMs);
    },
  };
}

const keyOf = ({ replicaId, address, port, protocol = "http1" }: Endpoint): string =>
  `${replicaId} ${address} ${port} ${protocol}`;

function newReplica(endpoint: Endpoint, connect: (endpoint: Endpoint) => Upstream): Replica {
  return {
    endpoint,
    upstream: connect(endpoint),
    name: `${endpoint.address}:${endpoint.port}`,
    inFlight: 0,
    isListed: true,
    avoidUntilMs: 0,
  };
}
