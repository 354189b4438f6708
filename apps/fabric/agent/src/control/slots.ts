/** At most so many holders at once; the others wait in the order in which they came. */
export interface Slots {
  /** Resolves with the release, to be called once. Rejects with the signal's reason. */
  acquire(signal: AbortSignal): Promise<() => void>;
}

export function createSlots(count: number): Slots {
  let free = count;
  const queue: { readonly grant: () => void }[] = [];

  function release(): void {
    const next = queue.shift();
    if (next) next.grant();
    else free += 1;
  }

  function onlyOnce(): () => void {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      release();
    };
  }

  return {
    acquire(signal) {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(onlyOnce());
      }
      const granted = Promise.withResolvers<() => void>();
      const entry = {
        grant: () => {
          signal.removeEventListener("abort", leave);
          granted.resolve(onlyOnce());
        },
      };
      const leave = (): void => {
        const index = queue.indexOf(entry);
        if (index >= 0) queue.splice(index, 1);
        granted.reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      queue.push(entry);
      return granted.promise;
    },
  };
}
