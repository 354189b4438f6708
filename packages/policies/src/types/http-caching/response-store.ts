import type { Exchange } from "../../pipeline/exchange.ts";

export interface StoredResponse {
  readonly status: number;
  /** Flat: name, value, ...; without framing, Date and Age. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Names in Vary, lower case. */
  readonly vary: readonly string[];
  readonly etag: string | undefined;
  readonly lastModifiedMs: number | undefined;
  /** Monotonic. */
  readonly storedAtMs: number;
  /** Age when it was stored. */
  readonly ageMs: number;
  /** Monotonic; fresh up to but not including it. */
  readonly staleAtMs: number;
  /** Marks of invalidation when its request was sent; it is good while they are the same. */
  readonly mark: string;
}

/** Names, values and pointers that are kept beside the bytes of a response. */
const overheadBytes = 512;

/** Responses in memory, least recently used out first, bounded in number and bytes. */
export class ResponseStore {
  readonly #mostEntries: number;
  readonly #mostBytes: number;
  readonly #entries = new Map<string, { readonly response: StoredResponse; readonly bytes: number }>();
  /** What the latest response under a key varied by. */
  readonly #vary = new Map<string, readonly string[]>();
  #bytes = 0;

  constructor({ mostEntries, mostBytes }: { mostEntries: number; mostBytes: number }) {
    this.#mostEntries = mostEntries;
    this.#mostBytes = mostBytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(key: string, exchange: Exchange): StoredResponse | undefined {
    const vary = this.#vary.get(key);
    if (!vary) return undefined;
    const name = variantName(key, vary, exchange);
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry.response;
  }

  put(key: string, exchange: Exchange, response: StoredResponse): void {
    const name = variantName(key, response.vary, exchange);
    this.#remove(name);
    const headerBytes = response.headers.reduce((sum, text) => sum + text.length, 0);
    const bytes = response.body.length + headerBytes + 2 * name.length + overheadBytes;
    if (bytes > this.#mostBytes) return;
    this.#vary.delete(key);
    this.#vary.set(key, response.vary);
    this.#entries.set(name, { response, bytes });
    this.#bytes += bytes;
    while (this.#entries.size > this.#mostEntries || this.#bytes > this.#mostBytes)
      this.#remove(firstOf(this.#entries));
    if (this.#vary.size > this.#mostEntries) this.#vary.delete(firstOf(this.#vary) ?? "");
  }

  remove(key: string, exchange: Exchange): void {
    const vary = this.#vary.get(key);
    if (vary) this.#remove(variantName(key, vary, exchange));
  }

  #remove(name: string | undefined): void {
    const entry = name === undefined ? undefined : this.#entries.get(name);
    if (name === undefined || !entry) return;
    this.#entries.delete(name);
    this.#bytes -= entry.bytes;
  }
}

function firstOf(map: ReadonlyMap<string, unknown>): string | undefined {
  const [first] = map.keys();
  return first;
}

function variantName(key: string, vary: readonly string[], exchange: Exchange): string {
  return vary.length === 0 ? key : `${key}${JSON.stringify(vary.map((name) => [name, exchange.header(name) ?? null]))}`;
}
