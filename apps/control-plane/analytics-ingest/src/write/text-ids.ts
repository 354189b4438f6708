import { doubled } from "./doubled.ts";
import type { KnownTexts } from "./known-texts.ts";
import type { NameColumn } from "./request-block.ts";

const initialTexts = 4_096;

/** The numbers that known texts have in the dictionary of one column, for the block that is open. */
export class TextIds {
  readonly #column: NameColumn;
  readonly #texts: Pick<KnownTexts, "textOf">;
  /** One more than the number, by that of the text; zero is "not asked yet". */
  #ids = new Uint32Array(initialTexts);

  constructor(column: NameColumn, texts: Pick<KnownTexts, "textOf">) {
    this.#column = column;
    this.#texts = texts;
  }

  idOf(text: number): number {
    const next = this.#ids[text] ?? 0;
    if (next !== 0) return next - 1;
    const id = this.#column.idOf(this.#texts.textOf(text));
    while (text >= this.#ids.length) this.#ids = doubled(this.#ids);
    this.#ids[text] = id + 1;
    return id;
  }

  /** Another block begins. */
  clear(): void {
    this.#ids.fill(0);
  }
}
