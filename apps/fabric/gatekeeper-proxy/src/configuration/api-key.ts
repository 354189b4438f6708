import { createHash } from "node:crypto";

/** An API that an app is bound to, as its manifest and its environment name it. */
export interface ApiName {
  readonly environment: string;
  readonly name: string;
  readonly version: string;
}

/** One text for one API; none of the parts can hold a line end. */
export function apiKey({ environment, name, version }: ApiName): string {
  return `${environment}\n${name}\n${version}`;
}

/** On which of `pages` index pages the API's entry is (ConfigurationRoot.index_pages). */
export function indexPageOf(key: string, pages: number): number {
  return indexHashOf(key) % pages;
}

/** What decides it, however many pages there are. */
export function indexHashOf(key: string): number {
  return createHash("sha256").update(key).digest().readUInt32BE(0);
}
