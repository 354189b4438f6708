import { systemClock } from "@drawbridge/lifecycle";

export interface LoopReport {
  readonly path: string;
  readonly answered: number;
  /** Every failure, by what happened and when it did. */
  readonly failures: readonly string[];
}

export interface RunningLoop {
  stop(): Promise<LoopReport>;
}

/** One request after the other on one path until it is stopped; a request that is under way then is finished. */
export function startLoop(path: string, once: () => Promise<void>, pauseMs = 0): RunningLoop {
  const stopping = new AbortController();
  const failures: string[] = [];
  let answered = 0;
  const running = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await once();
        answered += 1;
      } catch (error) {
        failures.push(`${systemClock.now().toISOString()} ${path}: ${describe(error)}`);
      }
      await systemClock.sleep(pauseMs, stopping.signal).catch(() => undefined); // stopped
    }
  })();
  return {
    stop: async () => {
      stopping.abort(new Error("stopped"));
      await running;
      return { path, answered, failures };
    },
  };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
