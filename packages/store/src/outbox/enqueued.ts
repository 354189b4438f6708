/**
 * Which transactions have enqueued events, between `enqueueEvent` and their end, so that the relay of this process is
 * woken after the commit without every caller having to remember it. Keyed by the transaction itself: it holds nothing
 * longer than that lives.
 */
const enqueued = new WeakSet<object>();

export function rememberEnqueued(transaction: object): void {
  enqueued.add(transaction);
}

/** True when the transaction had enqueued events. */
export function forgetEnqueued(transaction: object): boolean {
  return enqueued.delete(transaction);
}
