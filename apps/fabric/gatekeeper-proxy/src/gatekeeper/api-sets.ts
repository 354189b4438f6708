import type { KnownSet, SetOutcome } from "../gate/gate.ts";
import type { ApiSet, Change, SetProblem } from "../workers/protocol.ts";
import type { SetFacts } from "../configuration/resolve-api.ts";

/** A complete set, wherever it came from. */
export interface CompleteSet {
  readonly set: ApiSet;
  readonly facts: SetFacts;
  /** Why it cannot be used, whatever the workers say. */
  readonly problems: readonly SetProblem[];
  /** When the platform last said that it wants this. */
  readonly confirmedAt: Date;
}

/** The last complete set that the platform wanted, in memory or from the disk, and the one before if it was enforced. */
export interface LastComplete {
  readonly newest: CompleteSet;
  readonly before: CompleteSet | undefined;
}

interface Held {
  readonly complete: CompleteSet;
  /** The `apply` that told the workers; `undefined` if they need not know: it has problems already. */
  readonly addedAt: number | undefined;
  outcome: SetOutcome;
  problems: readonly SetProblem[];
}

/** The sets of one API that the workers hold, and what came of them. */
export class ApiSets {
  readonly #held = new Map<string, Held>();
  last: LastComplete | undefined;
  /** The disk had something that cannot be used. */
  isCacheCorrupt = false;

  outcome(setId: string): SetOutcome {
    return this.#held.get(setId)?.outcome ?? "pending";
  }

  known({ set }: CompleteSet): KnownSet {
    return { setId: set.setId, outcome: this.outcome(set.setId) };
  }

  problems(setId: string): readonly SetProblem[] {
    return this.#held.get(setId)?.problems ?? [];
  }

  facts(setId: string): SetFacts | undefined {
    return this.#held.get(setId)?.complete.facts;
  }

  /** The platform wants this now. */
  complete(complete: CompleteSet): void {
    const { last } = this;
    this.isCacheCorrupt = false;
    if (last?.newest.set.setId === complete.set.setId) {
      this.last = { newest: complete, before: last.before };
      return;
    }
    // One from the disk may not have been tried yet: what comes of it decides later.
    const mayBeUsable = last !== undefined && this.outcome(last.newest.set.setId) !== "unusable";
    this.last = { newest: complete, before: mayBeUsable ? last.newest : last?.before };
  }

  /** What the disk has. The platform may have been faster: then it only tells what was wanted before that. */
  recall(disk: LastComplete): void {
    const { last } = this;
    if (last === undefined) this.last = disk;
    else if (last.before === undefined) {
      const isSame = disk.newest.set.setId === last.newest.set.setId;
      this.last = { newest: last.newest, before: isSame ? disk.before : disk.newest };
    }
  }

  /** Hold these sets and no others. `sequence` is that of the `apply` which the changes go out with. */
  hold(wanted: readonly CompleteSet[], sequence: number): { readonly added: Change[]; readonly removed: Change[] } {
    const added: Change[] = [];
    const removed: Change[] = [];
    const ids = new Set(wanted.map(({ set }) => set.setId));
    for (const [setId, { addedAt }] of this.#held) {
      if (ids.has(setId)) continue;
      this.#held.delete(setId);
      if (addedAt !== undefined) removed.push({ change: "set_removed", setId });
    }
    for (const complete of wanted) {
      const { set, problems } = complete;
      if (this.#held.has(set.setId)) continue;
      const isBroken = problems.length > 0;
      this.#held.set(set.setId, {
        complete,
        addedAt: isBroken ? undefined : sequence,
        outcome: isBroken ? "unusable" : "pending",
        problems,
      });
      if (!isBroken) added.push({ change: "set_added", set });
    }
    return { added, removed };
  }

  find(setId: string): CompleteSet | undefined {
    return this.#held.get(setId)?.complete;
  }

  /** True: something became usable. */
  applied(sequence: number): boolean {
    let isChanged = false;
    for (const held of this.#held.values()) {
      if (held.outcome !== "pending" || held.addedAt === undefined || held.addedAt > sequence) continue;
      held.outcome = "applied";
      isChanged = true;
    }
    return isChanged;
  }

  /** True: it is one of these, and nobody had said so. */
  unusable(setId: string, problems: readonly SetProblem[]): boolean {
    const held = this.#held.get(setId);
    if (held === undefined || held.outcome === "unusable") return false;
    held.outcome = "unusable";
    held.problems = problems;
    return true;
  }

  /** For a worker that starts. */
  everything(): Change[] {
    return [...this.#held.values()].flatMap(({ complete, addedAt }): Change[] =>
      addedAt === undefined ? [] : [{ change: "set_added", set: complete.set }],
    );
  }

  get isPending(): boolean {
    return this.#held.values().some(({ outcome }) => outcome === "pending");
  }
}
