import { createHash } from "node:crypto";
import { z } from "zod";

/** One complete set of an API, as it can be found again from a signed root. */
const generation = z.strictObject({
  /** Hex of the SHA-256 of the root's JWS: a file in `roots/`. */
  root: z.string().regex(/^[0-9a-f]{64}$/),
  setId: z.string().regex(/^[0-9a-f]{64}$/),
  /** Every object that it is made of. */
  objects: z.array(z.string().regex(/^[0-9a-f]{64}$/)).readonly(),
  storedAt: z.iso.datetime(),
});

const apiGenerations = z.strictObject({
  /** The last complete set that the platform wanted, usable or not; then the one before, if that was enforced. */
  generations: z.array(generation).min(1).max(2).readonly(),
  lastBoundAt: z.iso.datetime(),
});

const cacheIndex = z.strictObject({
  version: z.literal(1),
  /** When the platform last said that the newest root is current. */
  confirmedAt: z.iso.datetime(),
  newestRoot: z.string(),
  apis: z.record(z.string(), apiGenerations),
});

export type Generation = z.output<typeof generation>;
export type CacheIndex = z.output<typeof cacheIndex>;

/** What the platform wants now. */
export interface CacheWish {
  /** Name of the root's file. */
  readonly root: string;
  readonly complete: readonly CompleteApi[];
  /** APIs that the platform says do not exist: nothing of them may be enforced after a restart. */
  readonly absent: ReadonlySet<string>;
  readonly bound: ReadonlySet<string>;
  /** False: the connection is away; `confirmedAt` stays. */
  readonly isConfirmed: boolean;
}

export interface CompleteApi {
  readonly key: string;
  readonly setId: string;
  readonly objects: readonly string[];
  /** Whether the set that was wanted before could be enforced, and is worth keeping. */
  readonly isEarlierUsable: (setId: string) => boolean;
}

/** So long an API that nobody is bound to is kept: its app may be on its way back. */
const keptUnboundMs = 7 * 24 * 3_600_000;

/** The index after the next write. */
export function nextIndex(before: CacheIndex | undefined, wish: CacheWish, now: Date): CacheIndex {
  const at = now.toISOString();
  const apis: Record<string, CacheIndex["apis"][string]> = {};
  for (const [key, api] of Object.entries(before?.apis ?? {})) {
    if (wish.absent.has(key)) continue;
    const lastBoundAt = wish.bound.has(key) ? at : api.lastBoundAt;
    if (now.getTime() - Date.parse(lastBoundAt) < keptUnboundMs)
      apis[key] = { generations: api.generations, lastBoundAt };
  }
  for (const { key, setId, objects, isEarlierUsable } of wish.complete) {
    const [newest, earlier] = apis[key]?.generations ?? [];
    const isSame = newest?.setId === setId;
    const newer: Generation = { root: wish.root, setId, objects, storedAt: isSame ? newest.storedAt : at };
    const kept = isSame ? earlier : newest !== undefined && isEarlierUsable(newest.setId) ? newest : earlier;
    apis[key] = { generations: kept === undefined ? [newer] : [newer, kept], lastBoundAt: at };
  }
  return {
    version: 1,
    confirmedAt: wish.isConfirmed ? at : (before?.confirmedAt ?? at),
    newestRoot: wish.root,
    apis,
  };
}

/** When the platform last said that this set is what it wants. */
export function confirmedAt(index: CacheIndex, { root, storedAt }: Generation): Date {
  return new Date(root === index.newestRoot ? index.confirmedAt : storedAt);
}

/** Files that the index needs. */
export function referenced(index: CacheIndex): { readonly roots: Set<string>; readonly objects: Set<string> } {
  const roots = new Set<string>([index.newestRoot]);
  const objects = new Set<string>();
  for (const { generations } of Object.values(index.apis)) {
    for (const generation of generations) {
      roots.add(generation.root);
      for (const digest of generation.objects) objects.add(digest);
    }
  }
  return { roots, objects };
}

/** Its SHA-256 on the first line, then JSON. */
export function encodeIndex(index: CacheIndex): string {
  const json = JSON.stringify(index);
  return `${sha256(json)}\n${json}\n`;
}

/** `undefined`: cut short, changed, or of a version that is not known here. */
export function decodeIndex(text: string): CacheIndex | undefined {
  const [checksum, json] = text.split("\n");
  if (json === undefined || sha256(json) !== checksum) return undefined;
  return cacheIndex.safeParse(JSON.parse(json)).data;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
