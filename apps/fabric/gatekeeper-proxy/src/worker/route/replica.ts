import type { Endpoint, Upstream } from "../upstream/upstream.ts";

/** A replica as the requests of this thread see it. */
export interface Replica {
  readonly endpoint: Endpoint;
  readonly upstream: Upstream;
  /** "address:port". */
  readonly name: string;
  /** Requests from the choice of the replica to their last byte. */
  inFlight: number;
  /** It should get requests; otherwise it drains. */
  isListed: boolean;
  /** After a failed connection others are asked first until then. */
  avoidUntilMs: number;
}

/** The ready replica with the fewest requests under way, in turn where several have; none of `tried`. */
export function chooseReplica(
  ready: readonly Replica[],
  options: { readonly tried: readonly Replica[]; readonly turn: number; readonly nowMs: number },
): Replica | undefined {
  const { tried, turn, nowMs } = options;
  const count = ready.length;
  let best: Replica | undefined;
  for (let step = 0; step < count; step += 1) {
    const replica = ready[(turn + step) % count];
    if (replica === undefined || (tried.length > 0 && tried.includes(replica))) continue;
    if (best === undefined || isBetter(replica, best, nowMs)) best = replica;
  }
  return best;
}

function isBetter(replica: Replica, best: Replica, nowMs: number): boolean {
  const isAvoided = replica.avoidUntilMs > nowMs;
  const isBestAvoided = best.avoidUntilMs > nowMs;
  return isAvoided === isBestAvoided ? replica.inFlight < best.inFlight : isBestAvoided;
}
