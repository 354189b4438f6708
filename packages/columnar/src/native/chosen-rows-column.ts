import type { NativeColumn } from "./native-column.ts";
import type { lowCardinalityColumn } from "./text-columns.ts";

/** Some rows of a column of another block, whose dictionary serves again. What the other column loses is lost here. */
class ChosenRowsColumn implements NativeColumn {
  readonly type: string;
  readonly #source: ReturnType<typeof lowCardinalityColumn>;
  #chosen = new Uint32Array(0);

  constructor(source: ReturnType<typeof lowCardinalityColumn>) {
    this.type = source.type;
    this.#source = source;
  }

  get rows(): number {
    return this.#chosen.length;
  }

  /** Rows of the other column, by their place in it, instead of those before. */
  choose(rows: Uint32Array<ArrayBuffer>): void {
    this.#chosen = rows;
  }

  clear(): void {
    this.#chosen = new Uint32Array(0);
  }

  encode(): readonly Uint8Array[] {
    return this.#source.encodeRows(this.#chosen);
  }
}

export const chosenRowsColumn = (source: ReturnType<typeof lowCardinalityColumn>) => new ChosenRowsColumn(source);
