import { verdictOf } from "../gate/gate.ts";
import type { GateRecord } from "../gatekeeper/gate-book.ts";

/** How many gates of each app let nothing through; counted anew only after something changed. */
export class ClosedGates {
  readonly #gates: () => Iterable<GateRecord>;
  #counts: Map<string, number> | undefined;

  constructor(gates: () => Iterable<GateRecord>) {
    this.#gates = gates;
  }

  changed(): void {
    this.#counts = undefined;
  }

  count(appId: string): number {
    this.#counts ??= this.#countAll();
    return this.#counts.get(appId) ?? 0;
  }

  #countAll(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { appId, gate } of this.#gates()) {
      if (verdictOf(gate).verdict === "closed") counts.set(appId, (counts.get(appId) ?? 0) + 1);
    }
    return counts;
  }
}
