import type { TrafficTally } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";

/** Counts the requests of an app, by replica. */
export interface FrontTraffic {
  /** A request comes; call what it answers when it has been answered, or broke off. Once; a client that left is no error. */
  begin(): (end: RequestEnd) => void;
}

export interface RequestEnd {
  /** Empty: none could be reached. */
  readonly replicaId: string;
  readonly isError: boolean;
}

export function createFrontTraffic(options: {
  readonly tally: Pick<TrafficTally, "add">;
  readonly appId: string;
  readonly clock: Pick<Clock, "monotonicMs">;
}): FrontTraffic {
  const { tally, appId, clock } = options;
  return {
    begin: () => {
      const startedMs = clock.monotonicMs();
      let isOver = false;
      return ({ replicaId, isError }) => {
        if (isOver) return;
        isOver = true;
        const durationMs = clock.monotonicMs() - startedMs;
        tally.add({ appId, replicaId, requests: 1, errors: isError ? 1 : 0, durationMs });
      };
    },
  };
}
