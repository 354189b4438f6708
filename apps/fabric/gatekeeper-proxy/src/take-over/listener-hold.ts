import { isAlive, readGatewayStatuses } from "@drawbridge/app-routes";
import type { ServedApp } from "../routes/app-watch.ts";
import type { Change, Listener } from "../workers/protocol.ts";

interface ListenerHoldDeps {
  readonly gatewayId: string;
  readonly app: (appId: string) => ServedApp | undefined;
  readonly closedGates: (appId: string) => number;
}

/**
 * A gateway that starts beside others takes no connection from them that it would answer worse: as long as another one listens
 * for an app with more of its gates open, this one does not. The only gateway listens at once, gates closed or not.
 *
 * Invariants: what was let through once is not held again until it is removed, so no port is ever left because of a gate; who
 * listens alone is never waited for by itself.
 */
export class ListenerHold {
  readonly #deps: ListenerHoldDeps;
  readonly #held = new Map<string, Listener>();
  readonly #passed = new Set<string>();

  constructor(deps: ListenerHoldDeps) {
    this.#deps = deps;
  }

  /** Changes for workers, without the listeners that have to wait. */
  filter(changes: readonly Change[]): readonly Change[] {
    return changes.filter((change) => {
      if (change.change === "listener_removed") {
        this.#held.delete(change.listenerId);
        this.#passed.delete(change.listenerId);
      }
      return change.change !== "listener_set" || this.#passes(change.listener);
    });
  }

  /**
   * The same for a worker that starts. A listener that waits is left to `released`, which tells all workers: let through here
   * it would be known to this one alone.
   */
  filterForOne(changes: readonly Change[]): readonly Change[] {
    return this.filter(
      changes.filter((change) => change.change !== "listener_set" || !this.#held.has(change.listener.listenerId)),
    );
  }

  /** Listeners that need not wait any more; asked often while some wait. */
  released(): readonly Change[] {
    return this.filter([...this.#held.values()].map((listener): Change => ({ change: "listener_set", listener })));
  }

  #passes(listener: Listener): boolean {
    const { listenerId } = listener;
    const mayListen = this.#passed.has(listenerId) || appsOf(listener).every((appId) => !this.#isServedBetter(appId));
    if (!mayListen) {
      this.#held.set(listenerId, listener);
      return false;
    }
    this.#held.delete(listenerId);
    this.#passed.add(listenerId);
    return true;
  }

  #isServedBetter(appId: string): boolean {
    const { gatewayId, app, closedGates } = this.#deps;
    const served = app(appId);
    if (served === undefined) return false;
    const others = readGatewayStatuses(served.route.statusPath).filter(
      ({ gatewayId: other, status }) => other !== gatewayId && status?.phase === "listening" && isAlive(status.process),
    );
    if (others.length === 0) return false;
    // Until its endpoints were read its gates are not known.
    return served.table === undefined || others.some(({ status }) => (status?.closedGates ?? 0) < closedGates(appId));
  }
}

function appsOf({ target }: Listener): readonly string[] {
  return target.kind === "app" ? [target.appId] : [...new Set(target.routes.map(({ appId }) => appId))];
}
