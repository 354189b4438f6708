/**
 * Runs work of the same scope one after the other, of different scopes side by side. At most `limit` pieces are waiting
 * or running: `add` resolves when there is room, which is what holds the reader back.
 */
export interface ScopeLanes {
  add(scope: string, work: () => Promise<void>): Promise<void>;
  /** Resolves when nothing is waiting or running. */
  idle(): Promise<void>;
}

/** `work` must not reject. */
export function createScopeLanes(limit: number): ScopeLanes {
  const lastOfScope = new Map<string, Promise<void>>();
  const all = new Set<Promise<void>>();
  return {
    add: async (scope, work) => {
      while (all.size >= limit) await Promise.race(all);
      const previous = lastOfScope.get(scope) ?? Promise.resolve();
      const task = previous.then(work);
      const tracked = task.finally(() => {
        all.delete(tracked);
        if (lastOfScope.get(scope) === tracked) lastOfScope.delete(scope);
      });
      all.add(tracked);
      lastOfScope.set(scope, tracked);
    },
    idle: async () => {
      while (all.size > 0) await Promise.all(all);
    },
  };
}
