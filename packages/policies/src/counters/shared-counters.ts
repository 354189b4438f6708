/** The verdict on one request. */
export interface CounterState {
  readonly isAllowed: boolean;
  /** Counted in the window, this request included if it was allowed. */
  readonly count: number;
}

/**
 * One kind of counter: a limit of a policy. Windows are numbered by whoever counts (a fixed window: start divided by length).
 * A window that was never counted in stands at 0.
 */
export interface Counter {
  /**
   * Count one request of `subject` in `window` unless `limit` are counted there: exact, whatever number of threads counts.
   * What is not allowed is not counted. The count is kept until `keepUntilMs` (since 1970) at least, space permitting.
   */
  readonly take: (subject: string, window: number, limit: number, keepUntilMs: number) => CounterState;
  /** What is counted in `window`. */
  readonly read: (subject: string, window: number) => number;
}

/** Counters that all worker threads of the gateway share. */
export interface SharedCounters {
  /** The counter of that name, the same in every thread and after every compilation: "<policy id>/<limit>". */
  readonly counter: (name: string) => Counter;
}
