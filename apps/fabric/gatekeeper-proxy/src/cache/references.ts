/** How often each file is needed, so that nobody looks at all of them to find those that nobody needs any more. */
export class References {
  readonly #counts = new Map<string, number>();
  /** Needed once and not now, since the last `takeUnneeded`. */
  readonly #unneeded = new Set<string>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.#unneeded.delete(name);
  }

  remove(name: string): void {
    const left = (this.#counts.get(name) ?? 0) - 1;
    if (left > 0) return void this.#counts.set(name, left);
    this.#counts.delete(name);
    this.#unneeded.add(name);
  }

  has(name: string): boolean {
    return this.#counts.has(name);
  }

  takeUnneeded(): readonly string[] {
    const names = [...this.#unneeded];
    this.#unneeded.clear();
    return names;
  }
}
