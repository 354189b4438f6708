/** One holder per key at a time; the others wait in the order in which they came. */
export interface KeyedLock {
  hold<T>(key: string, work: () => Promise<T>): Promise<T>;
  isHeld(key: string): boolean;
}

export function createKeyedLock(): KeyedLock {
  /** The last in the queue of each key. */
  const tails = new Map<string, Promise<void>>();
  return {
    isHeld: (key) => tails.has(key),
    hold: async (key, work) => {
      const before = tails.get(key);
      const released = Promise.withResolvers<void>();
      tails.set(key, released.promise);
      try {
        await before;
        return await work();
      } finally {
        released.resolve();
        if (tails.get(key) === released.promise) tails.delete(key);
      }
    },
  };
}
