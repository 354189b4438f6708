/**
 * A cache with a bound on entries, least recently used out first, each entry with an end of its own. Kept in the order of
 * a Map's insertion: the first key is the one that was not used for longest.
 */
export class BoundedCache<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly endsAtMs: number }>();
  readonly #mostEntries: number;

  constructor(mostEntries: number) {
    this.#mostEntries = mostEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, unless its end has come: valid up to but not including that instant. */
  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.endsAtMs <= nowMs) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: V, endsAtMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, endsAtMs });
    if (this.#entries.size <= this.#mostEntries) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
