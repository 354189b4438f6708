/** Bounds how much asynchronous work is under way and how much waits for it. */
export interface WorkQueue {
  /** Run `task` when a place is free. @returns undefined at once if too many wait already: the caller answers 503. */
  run<T>(task: () => Promise<T>): Promise<T> | undefined;
}

/**
 * First come, first served. A task that throws or rejects gives its place back; its caller gets the rejection.
 * Invariant: running <= concurrent, and waiting is empty unless running == concurrent.
 */
export function createWorkQueue({ concurrent, waiting }: { concurrent: number; waiting: number }): WorkQueue {
  let running = 0;
  const queue: (() => void)[] = [];
  const leave = () => {
    const next = queue.shift();
    if (next) next();
    else running -= 1;
  };
  return {
    run<T>(task: () => Promise<T>): Promise<T> | undefined {
      if (running < concurrent) {
        running += 1;
        return inPlace(task, leave);
      }
      if (queue.length >= waiting) return undefined;
      return new Promise<void>((resolve) => queue.push(resolve)).then(() => inPlace(task, leave));
    },
  };
}

async function inPlace<T>(task: () => Promise<T>, leave: () => void): Promise<T> {
  try {
    return await task();
  } finally {
    leave();
  }
}
