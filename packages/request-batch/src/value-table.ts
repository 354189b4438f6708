/** Values numbered in the order in which they came first. */
export class ValueTable<Value> {
  readonly #indexes = new Map<Value, number>();
  readonly #first: readonly Value[];
  #values: Value[];

  /** @param first value with number 0, there from the beginning */
  constructor(...first: readonly Value[]) {
    this.#first = first;
    this.#values = [];
    this.clear();
  }

  /** In their order; not to be changed. */
  get values(): Value[] {
    return this.#values;
  }

  indexOf(value: Value): number {
    const known = this.#indexes.get(value);
    if (known !== undefined) return known;
    const index = this.#values.length;
    this.#indexes.set(value, index);
    this.#values.push(value);
    return index;
  }

  clear(): void {
    this.#indexes.clear();
    this.#values = [...this.#first];
    this.#first.forEach((value, index) => this.#indexes.set(value, index));
  }
}
