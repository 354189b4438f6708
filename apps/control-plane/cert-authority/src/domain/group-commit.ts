import { DrawbridgeError } from "@drawbridge/errors";

export interface GroupCommitOptions<Item, Result> {
  /** Write all items in one transaction; one result per item, in their order. Rejects when none was written for sure. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Items admitted and not answered yet; above it `admit` refuses. */
  readonly limit: number;
  /** Largest group. */
  readonly maxGroup: number;
  /** What to tell who was refused. */
  readonly retryAfterMs: number;
}

/** A place in the queue. Give it back exactly once, by `submit` or by `release`. */
export interface Admission<Item, Result> {
  /** Resolves when the item is durable. */
  submit(item: Item): Promise<Result>;
  /** The work ended before there was anything to write. */
  release(): void;
}

export interface GroupCommit<Item, Result> {
  /**
   * Take a place before any expensive work is done.
   * @throws DrawbridgeError `ISSUE_OVERLOADED` (unavailable)
   */
  admit(): Admission<Item, Result>;
  /** Places taken. */
  readonly pending: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: while one group is being written, the next one gathers. It goes when it has at least half of all that
 * are in work, or is full: the others, still in their cryptography, are milliseconds away, and a statement, a disk flush
 * and a wake-up of the outbox cost the same for one as for a hundred. No timer: every place taken ends in `submit` or
 * `release`, and each looks again. A lonely one waits for nobody. Invariants: at most one group is in flight; an item is
 * answered only after its group's transaction has committed; a failed group fails all its items and no other.
 */
export function createGroupCommit<Item, Result>(options: GroupCommitOptions<Item, Result>): GroupCommit<Item, Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let pending = 0;
  let isWriting = false;

  async function writeGroups(): Promise<void> {
    if (isWriting) return;
    isWriting = true;
    let answer = (): void => undefined;
    while (isGathered()) {
      const written = writeGroup(waiting.splice(0, options.maxGroup));
      answer(); // the group before, while the database is at work on this one
      answer = await written;
    }
    isWriting = false;
    answer();
  }

  function isGathered(): boolean {
    return waiting.length > 0 && (waiting.length >= options.maxGroup || waiting.length * 2 >= pending);
  }

  /** Never rejects. What it resolves with answers the items, whose places are free by then. */
  async function writeGroup(group: readonly Waiting<Item, Result>[]): Promise<() => void> {
    const outcome = await settled(() => options.write(group.map(({ item }) => item)));
    pending -= group.length;
    return () => {
      for (const [index, { resolve, reject }] of group.entries()) {
        if (outcome.status === "rejected") {
          reject(outcome.reason);
          continue;
        }
        const result = outcome.value[index];
        if (result === undefined) reject(new Error("the writer left an item without a result"));
        else resolve(result);
      }
    };
  }

  return {
    get pending() {
      return pending;
    },
    admit: () => {
      if (pending >= options.limit) throw overloaded(options.retryAfterMs);
      pending += 1;
      return {
        release: () => {
          pending -= 1;
          void writeGroups(); // for those that waited for this one; never rejects
        },
        submit: (item) => {
          const { promise, resolve, reject } = Promise.withResolvers<Result>();
          waiting.push({ item, resolve, reject });
          void writeGroups(); // never rejects: failures go to the items
          return promise;
        },
      };
    },
  };
}

async function settled<T>(work: () => Promise<T>): Promise<PromiseSettledResult<T>> {
  const [outcome] = await Promise.allSettled([work()]);
  return outcome;
}

function overloaded(retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ISSUE_OVERLOADED",
    message: "too many certificates are being issued; try again in a moment",
    retryAfterMs,
  });
}
