/** One holder per digest at a time, among everybody who shares the blobs. */
export interface DigestLock {
  /**
   * Wait for the turn, then work. `lost` aborts when the lock was lost on the way: the work must not change anything any more.
   * @throws DrawbridgeError `BLOB_LOCK_UNAVAILABLE` (unavailable, retry)
   */
  hold<T>(digest: string, work: (lost: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Work only if nobody holds it. */
  tryHold<T>(digest: string, work: (lost: AbortSignal) => Promise<T>): Promise<TryHold<T>>;
}

export type TryHold<T> = { readonly outcome: "done"; readonly value: T } | { readonly outcome: "taken" };
