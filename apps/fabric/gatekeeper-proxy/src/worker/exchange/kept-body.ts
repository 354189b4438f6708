/**
 * The body of a request on its way to a replica, which may have to be sent again to another one.
 *
 * Invariant: while `isWhole`, `pieces` are all bytes that came so far.
 */
export class KeptBody {
  readonly pieces: Uint8Array[] = [];
  isWhole = true;
  #bytes = 0;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Uint8Array): void {
    if (!this.isWhole) return;
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limit) {
      this.isWhole = false;
      this.pieces.length = 0;
    } else {
      this.pieces.push(bytes);
    }
  }
}
