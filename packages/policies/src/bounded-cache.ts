interface Entry<V> {
  readonly value: V;
  readonly endsAtMs: number;
}

/**
 * A cache with a bound on entries, each with an end of its own. Entries are in two generations: what is used moves into the
 * young one, and when that is full the old one is dropped as a whole. So what was used lately stays, and a hit costs one
 * look-up: an order by use in one Map costs a deletion and an insertion at every hit.
 */
export class BoundedCache<V> {
  #young = new Map<string, Entry<V>>();
  #old = new Map<string, Entry<V>>();
  readonly #perGeneration: number;

  /** At most `mostEntries`, of which at least half are the last used. */
  constructor(mostEntries: number) {
    this.#perGeneration = Math.max(1, Math.floor(mostEntries / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The value, unless its end has come: valid up to but not including that instant. */
  get(key: string, nowMs: number): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) {
      if (nowMs < young.endsAtMs) return young.value;
      this.#young.delete(key);
      return undefined;
    }
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    if (nowMs >= old.endsAtMs) return undefined;
    this.#insert(key, old);
    return old.value;
  }

  set(key: string, value: V, endsAtMs: number): void {
    this.#old.delete(key);
    this.#insert(key, { value, endsAtMs });
  }

  #insert(key: string, entry: Entry<V>): void {
    if (this.#young.size >= this.#perGeneration && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, entry);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
