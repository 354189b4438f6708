/*
 * Bytes of exchanges that are not masked yet, by worker, in memory that all threads share.
 *
 * Invariants: a worker reserves before it copies, and never more than its share of the whole; the main thread alone releases
 * what was handed over, and what a worker held that is gone.
 */
const mostHeldBytes = 32 * 1024 * 1024;

export class InsightBoard {
  readonly memory: SharedArrayBuffer;
  readonly #held: Int32Array;
  readonly #share: number;

  constructor(workers: number | SharedArrayBuffer) {
    this.memory = typeof workers === "number" ? new SharedArrayBuffer(4 * workers) : workers;
    this.#held = new Int32Array(this.memory);
    this.#share = Math.floor(mostHeldBytes / this.#held.length);
  }

  /** False: there is no room. */
  reserve(worker: number, bytes: number): boolean {
    if (Atomics.add(this.#held, worker, bytes) + bytes <= this.#share) return true;
    Atomics.sub(this.#held, worker, bytes);
    return false;
  }

  release(worker: number, bytes: number): void {
    let before = Atomics.load(this.#held, worker);
    for (;;) {
      const found = Atomics.compareExchange(this.#held, worker, before, Math.max(0, before - bytes));
      if (found === before) return;
      before = found;
    }
  }

  workerGone(worker: number): void {
    Atomics.store(this.#held, worker, 0);
  }

  get heldBytes(): number {
    return this.#held.reduce((sum, _, worker) => sum + Atomics.load(this.#held, worker), 0);
  }
}
