import type { Health } from "@drawbridge/lifecycle";
import { isDecided } from "./gate/gate.ts";
import type { GateBook } from "./gatekeeper/gate-book.ts";
import type { AppStatus } from "./status/app-status.ts";

/** What makes this gateway ready, and what is only told (anchors/gateway.md 5.5, 8). */
export function registerGatewayHealth(
  health: Health,
  observed: {
    readonly isRead: () => boolean;
    readonly workers: () => number;
    readonly isDraining: () => boolean;
    /** It has waited long enough for gates to come to a decision. */
    readonly isOverdue: () => boolean;
    readonly gates: GateBook;
    readonly cacheFailure: () => string | undefined;
    readonly status: AppStatus;
  },
): void {
  health.register("routes", () => (observed.isRead() ? undefined : "routes.json was not read yet"));
  health.register("workers", () => (observed.workers() > 0 ? undefined : "no worker takes requests"));
  health.register("draining", () => (observed.isDraining() ? "asked to drain" : undefined));
  health.register("gates", () => {
    if (observed.isOverdue()) return undefined;
    const undecided = [...observed.gates.all()].filter(({ gate }) => !isDecided(gate.gate)).length;
    return undecided === 0 ? undefined : `${undecided} gates have come to no decision yet`;
  });
  health.register("cache", observed.cacheFailure, "degraded");
  health.register(
    "ports",
    () => {
      const failures = observed.status.failures().map(({ appName, failure }) => `${appName}: ${failure}`);
      return failures.length === 0 ? undefined : failures.join(", ");
    },
    "degraded",
  );
}
