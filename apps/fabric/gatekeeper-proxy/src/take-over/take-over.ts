import type { Clock } from "@drawbridge/lifecycle";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { GateRecord } from "../gatekeeper/gate-book.ts";
import { AppStatus } from "../status/app-status.ts";
import type { Change } from "../workers/protocol.ts";
import { ClosedGates } from "./closed-gates.ts";
import { ListenerHold } from "./listener-hold.ts";

/** How this gateway stands beside others: what it says of itself, and what it leaves to them for the time being. */
export interface TakeOver {
  readonly status: AppStatus;
  /** Changes for workers, without ports that others serve better. */
  readonly filter: (changes: readonly Change[]) => readonly Change[];
  /** The same for one worker that starts. */
  readonly filterForOne: TakeOver["filter"];
  /** Ports that need not be left to others any more. */
  readonly released: () => readonly Change[];
  readonly gatesChanged: (records: readonly Pick<GateRecord, "appId">[]) => void;
}

export function createTakeOver({
  gatewayId,
  gatekeeper,
  clock,
}: {
  readonly gatewayId: string;
  readonly gatekeeper: () => Pick<Gatekeeper, "gates" | "apps" | "retryListener">;
  readonly clock: Clock;
}): TakeOver {
  const closed = new ClosedGates(() => gatekeeper().gates.all());
  const closedGates = (appId: string): number => closed.count(appId);
  const retry = (appId: string): void => gatekeeper().retryListener(appId);
  const status = new AppStatus({ gatewayId, clock, closedGates, retry });
  const hold = new ListenerHold({ gatewayId, app: (appId) => gatekeeper().apps.served(appId), closedGates });
  return {
    status,
    filter: (changes) => hold.filter(changes),
    filterForOne: (changes) => hold.filterForOne(changes),
    released: () => hold.released(),
    gatesChanged: (records) => {
      closed.changed();
      status.gatesChanged(new Set(records.map(({ appId }) => appId)));
    },
  };
}
