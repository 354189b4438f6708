import { createHash } from "node:crypto";
import { z } from "zod";

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/** One complete set of an API, as it can be found again from a signed root. */
const generation = z.strictObject({
  /** Hex of the SHA-256 of the root's JWS: a file in `roots/`. Absent: the head's newest root. */
  root: sha256Hex.optional(),
  setId: sha256Hex,
  /** Every object that it is made of. */
  objects: z.array(sha256Hex).readonly(),
  storedAt: z.iso.datetime(),
});

const cachedApi = z.strictObject({
  /** The last complete set that the platform wanted, usable or not; then the one before, if that was enforced. */
  generations: z.array(generation).min(1).max(2).readonly(),
  /** Since when nobody is bound to it; absent: somebody is. */
  unboundSince: z.iso.datetime().optional(),
});

const shard = z.record(z.string(), cachedApi);

const cacheHead = z.strictObject({
  version: z.literal(2),
  /** When the platform last said that the newest root is current. */
  confirmedAt: z.iso.datetime(),
  newestRoot: sha256Hex,
  /** Files in `shards/`, by number; those that hold no API have none. */
  shards: z.record(z.string(), sha256Hex),
});

export type Generation = z.output<typeof generation>;
export type CachedEntry = z.output<typeof cachedApi>;
type Shard = z.output<typeof shard>;
export type CacheHead = z.output<typeof cacheHead>;

/** What the platform wants of one API now. */
export type CacheWish =
  | {
      readonly wanted: "set";
      readonly setId: string;
      readonly objects: readonly string[];
      /** Whether the set that was wanted before could be enforced, and is worth keeping. */
      readonly isEarlierUsable: (setId: string) => boolean;
    }
  /** The platform says that it does not exist: nothing of it may be enforced after a restart. */
  | { readonly wanted: "absent" }
  /** Not all of it is here. */
  | { readonly wanted: "incomplete" }
  | { readonly wanted: "unbound" };

/** So long an API that nobody is bound to is kept: its app may be on its way back. */
const keptUnboundMs = 7 * 24 * 3_600_000;

/**
 * What is kept of an API whose wish has changed. An API that is not asked about stays as it is, also under another root: where
 * the newest root changes nothing of an API, it changes nothing of how the API is found.
 * @param roots names of the newest root until now and of the next: a set that hangs on the former alone says so from now on
 * @returns `undefined`: nothing
 */
export function nextEntry(
  before: CachedEntry | undefined,
  wish: CacheWish,
  {
    now,
    roots,
  }: { readonly now: Date; readonly roots: { readonly before: string | undefined; readonly next: string } },
): CachedEntry | undefined {
  const at = now.toISOString();
  if (wish.wanted === "absent") return undefined;
  // Nobody will ask about one that is unbound when the root changes.
  const isLeft = wish.wanted === "unbound" || roots.before !== roots.next;
  const known = (before?.generations ?? []).map((each) => (isLeft ? pinned(each, roots.before) : each));
  if (wish.wanted === "set") {
    const { setId, objects, isEarlierUsable } = wish;
    const [newest, earlier] = known;
    const isSame = newest?.setId === setId;
    const newer: Generation = { setId, objects, storedAt: isSame ? newest.storedAt : at };
    const kept = isSame ? earlier : newest !== undefined && isEarlierUsable(newest.setId) ? newest : earlier;
    return { generations: kept === undefined ? [newer] : [newer, kept] };
  }
  if (known.length === 0) return undefined;
  if (wish.wanted === "incomplete") return { generations: known };
  const unboundSince = before?.unboundSince ?? at;
  return now.getTime() - Date.parse(unboundSince) < keptUnboundMs ? { generations: known, unboundSince } : undefined;
}

function pinned(kept: Generation, rootBefore: string | undefined): Generation {
  return kept.root !== undefined || rootBefore === undefined ? kept : { ...kept, root: rootBefore };
}

/** When the platform last said that this set is what it wants. */
export function confirmedAt(head: CacheHead, { root, storedAt }: Generation): Date {
  return new Date(root === undefined ? head.confirmedAt : storedAt);
}

/** Its SHA-256 on the first line, then JSON. */
export function encodeHead(head: CacheHead): string {
  const json = JSON.stringify(head);
  return `${sha256(json)}\n${json}\n`;
}

/** `undefined`: cut short, changed, or of a version that is not known here. */
export function decodeHead(text: string): CacheHead | undefined {
  const [checksum, json] = text.split("\n");
  if (json === undefined || sha256(json) !== checksum) return undefined;
  return cacheHead.safeParse(parsed(json)).data;
}

export function decodeShard(bytes: Uint8Array): Shard | undefined {
  return shard.safeParse(parsed(Buffer.from(bytes).toString("utf8"))).data;
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
