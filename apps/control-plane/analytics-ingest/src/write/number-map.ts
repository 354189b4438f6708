/** A power of two. */
const initialSlots = 4_096;

/** Numbers of 32 bits by others: open addressing in one array, which costs a sixth of a Map where keys come in any order. */
export class NumberMap {
  /** Key and value one after the other; a value is one more than it is, so that zero is "nothing here". */
  #slots: Uint32Array;
  #size = 0;

  constructor() {
    this.#slots = new Uint32Array(2 * initialSlots);
  }

  get(key: number): number | undefined {
    const next = this.#slots[this.#slotOf(key) + 1] ?? 0;
    return next === 0 ? undefined : next - 1;
  }

  set(key: number, value: number): void {
    const slot = this.#slotOf(key);
    if (this.#slots[slot + 1] === 0) this.#size += 1;
    this.#slots[slot] = key;
    this.#slots[slot + 1] = value + 1;
    if (this.#size * 4 > this.#slots.length) this.#grow();
  }

  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  /** Where the key is, or would be. */
  #slotOf(key: number): number {
    const slots = this.#slots;
    const mask = slots.length / 2 - 1;
    // Knuth's multiplicative hash: the high bits depend on all of the key's.
    const hash = Math.imul(key, 2_654_435_761);
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (slots[2 * slot + 1] !== 0 && slots[2 * slot] !== key) slot = (slot + 1) & mask;
    return 2 * slot;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    for (let at = 0; at < before.length; at += 2) {
      const next = before[at + 1] ?? 0;
      if (next === 0) continue;
      const slot = this.#slotOf(before[at] ?? 0);
      this.#slots[slot] = before[at] ?? 0;
      this.#slots[slot + 1] = next;
    }
  }
}
