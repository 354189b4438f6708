import { doubled } from "./doubled.ts";
import type { NameColumn } from "./request-block.ts";

const initialRows = 1_024;

/**
 * Facts that fill several columns of a block, one row each: the numbers of its texts in the dictionaries of the block. Rows
 * outlive the block, so that the next one looks up texts but no facts; the numbers in them hold for one block.
 */
export class FactTable<Fact extends object> {
  readonly #columns: readonly NameColumn[];
  readonly #textsOf: (fact: Fact) => readonly string[];
  #rows = new Map<Fact, number>();
  /** By row. */
  #facts: Fact[] = [];
  /** By column, then by row. */
  #ids: Uint32Array[];
  /** The block that a row's numbers are of, by row. */
  #blocks = new Uint32Array(initialRows);
  #block = 1;

  constructor(columns: readonly NameColumn[], textsOf: (fact: Fact) => readonly string[]) {
    this.#columns = columns;
    this.#textsOf = textsOf;
    this.#ids = columns.map(() => new Uint32Array(initialRows));
  }

  rowOf(fact: Fact): number {
    let row = this.#rows.get(fact);
    if (row === undefined) {
      row = this.#rows.size;
      this.#rows.set(fact, row);
      this.#facts.push(fact);
      if (row === this.#blocks.length) this.#grow();
    }
    this.use(row);
    return row;
  }

  /** A row that was told before is to be pushed. */
  use(row: number): void {
    if (this.#blocks[row] === this.#block) return;
    const fact = this.#facts[row];
    if (fact !== undefined) this.#fill(row, fact);
  }

  get size(): number {
    return this.#rows.size;
  }

  push(rows: Uint32Array): void {
    // A column at a time: row by row costs three times as much.
    this.#columns.forEach((column, index) => column.pushChosen(this.#ids[index] ?? new Uint32Array(), rows));
  }

  /** Another block begins. */
  clear(): void {
    this.#block += 1;
  }

  /** As when it was new; with the block that begins. */
  forget(): void {
    this.#rows = new Map();
    this.#facts = [];
    this.clear();
  }

  #fill(row: number, fact: Fact): void {
    const texts = this.#textsOf(fact);
    this.#columns.forEach((column, index) => {
      const ids = this.#ids[index];
      if (ids !== undefined) ids[row] = column.idOf(texts[index] ?? "");
    });
    this.#blocks[row] = this.#block;
  }

  #grow(): void {
    this.#ids = this.#ids.map(doubled);
    this.#blocks = doubled(this.#blocks);
  }
}
