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
 * Group commit: while one group is being written, the next one gathers, and goes as soon as the first is durable. One
 * disk flush serves many certificates, and a lonely one waits for nobody. Invariants: at most one group is in flight;
 * an item is answered only after its group's transaction has committed; a failed group fails all its items and no other.
 */
export function createGroupCommit<Item, Result>(options: GroupCommitOptions<Item, Result>): GroupCommit<Item, Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let pending = 0;
  let isWriting = false;

  async function writeGroups(): Promise<void> {
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) await writeGroup(waiting.splice(0, options.maxGroup));
    isWriting = false;
  }

  async function writeGroup(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await options.write(group.map(({ item }) => item));
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index];
        if (result === undefined) reject(new Error("the writer left an item without a result"));
        else resolve(result);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  return {
    get pending() {
      return pending;
    },
    admit: () => {
      if (pending >= options.limit) throw overloaded(options.retryAfterMs);
      pending += 1;
      const release = (): void => {
        pending -= 1;
      };
      return {
        release,
        submit: (item) => {
          const { promise, resolve, reject } = Promise.withResolvers<Result>();
          waiting.push({ item, resolve, reject });
          void writeGroups(); // never rejects: failures go to the items
          return promise.finally(release);
        },
      };
    },
  };
}

function overloaded(retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ISSUE_OVERLOADED",
    message: "too many certificates are being issued; try again in a moment",
    retryAfterMs,
  });
}
