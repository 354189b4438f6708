import { randomBytes } from "node:crypto";
import { doubled } from "./doubled.ts";

/** Powers of two. */
const initialSlots = 16_384;
const initialTexts = 4_096;
const initialWords = 65_536;
/** Of a text of the longest that a batch may have, in UTF-8: 3 bytes of a UTF-16 unit (batchLimits.stringLength). */
const mostWords = (1_024 * 3) / Uint32Array.BYTES_PER_ELEMENT;
/** Somebody who makes texts meet in one place of the table finds the next ones in a Map, at its price. */
const mostProbes = 16;

/**
 * Numbers of texts, by their bytes in UTF-8: nothing is made of a text that was seen before. A batch has hundreds of texts, which are
 * those of the batch before, and to make each of them a string and to look that up is a quarter of what its rows cost.
 */
export class KnownTexts {
  readonly #seed = randomBytes(4).readUInt32LE();
  /** Open addressing; one more than the number, so that zero is "nothing here". */
  #slots = new Uint32Array(initialSlots);
  /** Bytes of all texts by fours, the last one filled up with zeros. */
  #words = new Uint32Array(initialWords);
  /** By number, in one array: hash, length in bytes, where in `#words` it begins. */
  #facts = new Uint32Array(initialTexts * 3);
  #usedWords = 0;
  #texts: string[] = [];
  readonly #crowded = new Map<string, number>();
  /** The text that is looked up. */
  readonly #asked = new Uint32Array(mostWords + 1);

  get size(): number {
    return this.#texts.length;
  }

  textOf(number: number): string {
    return this.#texts[number] ?? "";
  }

  /** The number of the text in `bytes`, the same until `forget`: 0 and up. */
  numberOf(bytes: Buffer, begin: number, end: number): number {
    const length = end - begin;
    if (length > mostWords * Uint32Array.BYTES_PER_ELEMENT)
      return this.#crowdedNumber(bytes.toString("utf8", begin, end));
    const hash = this.#ask(bytes, begin, end);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let probe = 0; probe < mostProbes; probe += 1) {
      const next = this.#slots[slot] ?? 0;
      if (next === 0) return this.#unseen(bytes.toString("utf8", begin, end), { hash, length, slot });
      if (this.#is(next - 1, hash, length)) return next - 1;
      slot = (slot + 1) & mask;
    }
    return this.#crowdedNumber(bytes.toString("utf8", begin, end));
  }

  forget(): void {
    this.#slots = new Uint32Array(initialSlots);
    this.#words = new Uint32Array(initialWords);
    this.#facts = new Uint32Array(initialTexts * 3);
    this.#usedWords = 0;
    this.#texts = [];
    this.#crowded.clear();
  }

  /** Put the text's words where they are compared, and hash them: a multiplication for each, as FNV-1a has for bytes. */
  #ask(bytes: Buffer, begin: number, end: number): number {
    const asked = this.#asked;
    let hash = this.#seed ^ (end - begin);
    let at = begin;
    let word = 0;
    for (; at + 3 < end; at += 4) {
      const value =
        (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
      asked[word] = value;
      word += 1;
      hash = Math.imul(hash ^ value, 0x9e37_79b1);
      hash ^= hash >>> 15;
    }
    let rest = 0;
    for (let shift = 0; at < end; at += 1, shift += 8) rest |= (bytes[at] ?? 0) << shift;
    asked[word] = rest;
    hash = Math.imul(hash ^ rest, 0x85eb_ca77);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #is(number: number, hash: number, length: number): boolean {
    const facts = this.#facts;
    if (facts[3 * number] !== hash || facts[3 * number + 1] !== length) return false;
    const begin = facts[3 * number + 2] ?? 0;
    const words = wordsOf(length);
    for (let word = 0; word < words; word += 1) if (this.#words[begin + word] !== this.#asked[word]) return false;
    return true;
  }

  #unseen(text: string, of: { readonly hash: number; readonly length: number; readonly slot: number }): number {
    const crowded = this.#crowded.get(text); // its place was full when there were fewer
    if (crowded !== undefined) return crowded;
    const number = this.#texts.push(text) - 1;
    const words = wordsOf(of.length);
    while (this.#usedWords + words > this.#words.length) this.#words = doubled(this.#words);
    if (3 * number === this.#facts.length) this.#facts = doubled(this.#facts);
    this.#facts.set([of.hash, of.length, this.#usedWords], 3 * number);
    this.#words.set(this.#asked.subarray(0, words), this.#usedWords);
    this.#usedWords += words;
    this.#slots[of.slot] = number + 1;
    if (number * 2 > this.#slots.length) this.#spread();
    return number;
  }

  #crowdedNumber(text: string): number {
    const known = this.#crowded.get(text);
    if (known !== undefined) return known;
    const number = this.#texts.push(text) - 1;
    if (3 * number === this.#facts.length) this.#facts = doubled(this.#facts);
    this.#crowded.set(text, number);
    return number;
  }

  /** Twice as many slots. What finds none near its place is found as a new text is: in the Map. */
  #spread(): void {
    const crowded = new Set(this.#crowded.values());
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#texts.length; number += 1) {
      if (crowded.has(number)) continue;
      const hash = this.#facts[3 * number] ?? 0;
      let slot = hash & mask;
      let probe = 0;
      for (; probe < mostProbes && this.#slots[slot] !== 0; probe += 1) slot = (slot + 1) & mask;
      if (probe < mostProbes) this.#slots[slot] = number + 1;
      else this.#crowded.set(this.textOf(number), number);
    }
  }
}

function wordsOf(length: number): number {
  return Math.ceil(length / Uint32Array.BYTES_PER_ELEMENT);
}
