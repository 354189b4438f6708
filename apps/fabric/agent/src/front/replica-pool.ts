import { Agent } from "node:http";
import type { Route } from "@drawbridge/app-routes";

export interface Upstream extends Route {
  /** For requests that may be sent again if the app closed the idle connection at the same moment. */
  readonly patientAgent: Agent;
  /** For all others: it reuses only connections idle for less than any common server's keep-alive timeout. */
  readonly cautiousAgent: Agent;
}

export interface ReplicaPool {
  /** `routes` get requests from now on; `listed` replicas are unready for now, all others are on their way out. */
  replace(routes: readonly Route[], listed: ReadonlySet<string>): void;
  /** The ready replica with the fewest requests under way; none of `tried`. The caller must release it. */
  acquire(tried: ReadonlySet<string>): Lease | undefined;
  /** Requests under way at replicas that get no new ones. */
  draining(): Readonly<Record<string, number>>;
}

export interface Lease {
  readonly upstream: Upstream;
  /** The request is over. Once. */
  readonly release: () => void;
}

interface Member {
  readonly upstream: Upstream;
  inFlight: number;
  isRoutable: boolean;
  isListed: boolean;
}

const patientIdleMs = 4_000;
const cautiousIdleMs = 1_000;

/*
 * Invariants: a request counts from the choice of its replica to its last byte; connections to a replica are closed when it
 * gets no new requests and the last one has ended, so that the app's own graceful stop has nothing to wait for.
 */
export function createReplicaPool(onDrainingChange: () => void): ReplicaPool {
  const members = new Map<string, Member>();
  let turn = 0;

  function closeIfDone(key: string, member: Member): void {
    if (member.isRoutable || member.inFlight > 0) return;
    member.upstream.patientAgent.destroy();
    member.upstream.cautiousAgent.destroy();
    members.delete(key);
  }

  return {
    replace(routes, listed) {
      const wanted = new Map(routes.map((route) => [routeKey(route), route]));
      for (const [key, route] of wanted) if (!members.has(key)) members.set(key, newMember(route));
      for (const [key, member] of members) {
        member.isRoutable = wanted.has(key);
        member.isListed = listed.has(member.upstream.replicaId);
        closeIfDone(key, member);
      }
      onDrainingChange();
    },
    acquire(tried) {
      turn += 1;
      const candidates = [...members].filter(
        ([, member]) => member.isRoutable && !tried.has(member.upstream.replicaId),
      );
      const start = candidates.length === 0 ? 0 : turn % candidates.length;
      const rotated = [...candidates.slice(start), ...candidates.slice(0, start)];
      const first = rotated[0];
      if (first === undefined) return undefined;
      const [key, member] = rotated.reduce((best, next) => (next[1].inFlight < best[1].inFlight ? next : best), first);
      member.inFlight += 1;
      let isReleased = false;
      return {
        upstream: member.upstream,
        release: () => {
          if (isReleased) return;
          isReleased = true;
          member.inFlight -= 1;
          if (member.isRoutable) return;
          closeIfDone(key, member);
          onDrainingChange();
        },
      };
    },
    draining() {
      const counts: Record<string, number> = {};
      for (const { upstream, inFlight, isListed } of members.values()) {
        if (!isListed && inFlight > 0) counts[upstream.replicaId] = (counts[upstream.replicaId] ?? 0) + inFlight;
      }
      return counts;
    },
  };
}

function newMember(route: Route): Member {
  const agent = (timeout: number) => new Agent({ keepAlive: true, timeout, scheduling: "lifo" });
  return {
    upstream: { ...route, patientAgent: agent(patientIdleMs), cautiousAgent: agent(cautiousIdleMs) },
    inFlight: 0,
    isRoutable: true,
    isListed: true,
  };
}

/** A replica that was restarted on another port is another upstream. */
function routeKey(route: Route): string {
  return `${route.replicaId} ${route.address} ${route.port}`;
}
