import { type UnitPaths, type UnitState, writeStateFile } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";

const retryMs = 1_000;

export interface StateKeeper {
  current(): UnitState;
  /** Takes effect at once in memory; on disk at once or, while the disk is full, as soon as it has room. */
  update(change: Partial<UnitState>): void;
}

export function createStateKeeper(options: {
  readonly initial: UnitState;
  readonly paths: UnitPaths;
  readonly clock: Clock;
}): StateKeeper {
  let state = options.initial;
  let isRetrying = false;

  function tryWrite(): boolean {
    try {
      writeStateFile(options.paths.state, state);
      return true;
    } catch {
      return false; // disk full, or the folder is being removed: the app matters more
    }
  }

  async function retryUntilWritten(): Promise<void> {
    isRetrying = true;
    do await options.clock.sleep(retryMs);
    while (!tryWrite());
    isRetrying = false;
  }

  return {
    current: () => state,
    update(change) {
      state = { ...state, ...change };
      if (!isRetrying && !tryWrite()) void retryUntilWritten(); // ends with the process at the latest
    },
  };
}
