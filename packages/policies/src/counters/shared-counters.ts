/** The verdict of one counted request. */
export interface CounterState {
  /** Requests in the window before this one was counted, all threads together. */
  readonly before: number;
  readonly isAllowed: boolean;
}

/**
 * Counters that all worker threads of the gateway share. A key is `namespace` (32 bits, of policy and limit: `counterNamespace`)
 * and `subject` (client, address, ...).
 */
export interface SharedCounters {
  /**
   * Count `amount` in the fixed window that begins at `windowStartMs` unless that would exceed `limit`; exact across
   * threads. A window other than the one stored starts from nothing.
   */
  readonly take: (namespace: number, subject: string, windowStartMs: number, limit: number) => CounterState;
  /** What has been counted in that window. */
  readonly read: (namespace: number, subject: string, windowStartMs: number) => number;
}
