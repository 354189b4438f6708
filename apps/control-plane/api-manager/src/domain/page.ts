import { createHash } from "node:crypto";

/** Of a document of 100,000 contracts the list of its pages is 35 KiB, and a page 15 KiB: half as many would be twice as large. */
const entriesPerPage = 64;
const entriesPerPageOfMany = 128;
const many = 32_768;

/** First 4 bytes, big-endian, of SHA-256: what decides on which page something is. */
export function pageHash(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0);
}

/** What the page of an API in the index goes by. */
export function apiPageText(key: {
  readonly environment: string;
  readonly name: string;
  readonly version: string;
}): string {
  return `${key.environment}\n${key.name}\n${key.version}`;
}

/** The hash with its bits in reverse: of 2^k pages each is one range of it. */
export function pageKey(text: string): number {
  let hash = pageHash(text);
  let key = 0;
  for (let bit = 0; bit < 32; bit += 1) {
    key = key * 2 + (hash & 1);
    hash >>>= 1;
  }
  return key;
}

/** The page of a key, of so many pages: the hash mod the number of pages. */
export function pageOfKey(key: number, pages: number): number {
  let page = 0;
  for (let bit = 1, rest = key; bit < pages; bit *= 2) {
    if (rest >= 0x8000_0000) page += bit;
    rest = (rest * 2) % 0x1_0000_0000;
  }
  return page;
}

/** Keys on a page: from `first` up to and including `last`. */
export function keysOfPage(page: number, pages: number): { readonly first: number; readonly last: number } {
  const width = 0x1_0000_0000 / pages;
  let place = 0;
  for (let bit = 1, rest = page; bit < pages; bit *= 2) {
    place = place * 2 + (rest & 1);
    rest >>>= 1;
  }
  return { first: place * width, last: (place + 1) * width - 1 };
}

/**
 * How many pages so many entries are on: a power of two, or 0 for nothing. Shrinks late, so that entries that come and go do
 * not rewrite all pages again and again.
 */
export function pageCount(entries: number, before: number): number {
  if (entries === 0) return 0;
  const perPage = entries > many ? entriesPerPageOfMany : entriesPerPage;
  let pages = 1;
  while (pages * perPage < entries) pages *= 2;
  const isLittleLess = pages < before && entries * 4 > before * perPage;
  return isLittleLess ? before : pages;
}
