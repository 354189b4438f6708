const spanMs = 60_000;

/** The highest of what was added in the last one to two minutes. */
export class HighestLately {
  #span = 0;
  #current = 0;
  #before = 0;

  add(value: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#current = Math.max(this.#current, value);
  }

  read(nowMs: number): number {
    this.#turn(nowMs);
    return Math.max(this.#current, this.#before);
  }

  #turn(nowMs: number): void {
    const span = Math.floor(nowMs / spanMs);
    if (span === this.#span) return;
    this.#before = span === this.#span + 1 ? this.#current : 0;
    this.#current = 0;
    this.#span = span;
  }
}
