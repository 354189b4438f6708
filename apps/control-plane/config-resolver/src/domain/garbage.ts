import type { Clock } from "@drawbridge/lifecycle";
import type { ArtefactDigest } from "./artefact-digest.ts";
import type { BundleBlobs } from "./bundle-blobs.ts";
import type { DigestLock } from "./digest-lock.ts";

export type ArtefactKind = "bundle" | "configuration";

export interface ArtefactAge {
  readonly digest: ArtefactDigest;
  /** Since when no app refers to it, as far as was seen; undefined while one does. */
  readonly unreferencedSince: Date | undefined;
}

/** What the garbage collection keeps in mind, durably. */
export interface GarbageRecords {
  /** In order of digest, after `after`; without what is being removed. */
  page(kind: ArtefactKind, after: string, limit: number): Promise<readonly ArtefactAge[]>;
  noteReferenced(kind: ArtefactKind, digests: readonly ArtefactDigest[]): Promise<void>;
  noteUnreferenced(kind: ArtefactKind, digests: readonly ArtefactDigest[], now: Date): Promise<void>;
  /** Say that a bundle is gone, unless somebody deployed it meanwhile. */
  condemn(digest: ArtefactDigest, unreferencedUntil: Date, now: Date): Promise<"condemned" | "wanted">;
  /** Bundles that are gone, of which file or row may still be there. */
  condemned(after: string, limit: number): Promise<readonly ArtefactDigest[]>;
  isCondemned(digest: ArtefactDigest): Promise<boolean>;
  forget(digest: ArtefactDigest): Promise<void>;
  removeConfiguration(
    digest: ArtefactDigest,
    unreferencedUntil: Date,
  ): Promise<{ readonly sizeBytes: number } | undefined>;
  /** Of these files those that have no record, each with the instant when that was first seen. */
  noteUnrecorded(digests: readonly ArtefactDigest[], now: Date): Promise<ReadonlyMap<ArtefactDigest, Date>>;
  isUnrecorded(digest: ArtefactDigest): Promise<boolean>;
  forgetUnrecorded(digest: ArtefactDigest): Promise<void>;
}

export type Freed = ArtefactKind | "unrecorded";

export interface GarbageCollection {
  /** One pass over everything that is kept; calls `onFreed` for each thing that it removed. */
  collect(signal: AbortSignal): Promise<void>;
}

export interface GarbageDeps {
  readonly records: GarbageRecords;
  readonly blobs: Pick<BundleBlobs, "removeStored" | "storedDigests">;
  readonly lock: DigestLock;
  /** Of these, those that an app of any fabric has now or could be rolled back to. */
  readonly askReferenced: (
    digests: readonly ArtefactDigest[],
    signal: AbortSignal,
  ) => Promise<ReadonlySet<ArtefactDigest>>;
  readonly graceMs: number;
  readonly clock: Pick<Clock, "now">;
  readonly onFreed: (freed: {
    readonly kind: Freed;
    readonly digest: ArtefactDigest;
    readonly sizeBytes: number;
  }) => void;
}

/** As many as runtime-manager answers for at once. */
const pageSize = 200;

/**
 * Removes what no app refers to any more. Invariants:
 * - it goes only when it was seen without a reference for the whole grace period and the owner of the references says so again
 *   in the very pass that removes it; without an answer nothing is removed;
 * - whoever is about to deploy it starts the grace period anew (`find` of the records), and either comes before the mark, which is
 *   then not set, or finds nothing and uploads it again, which takes the mark back under the digest's lock;
 * - mark, file, row, in this order: after a crash the next pass goes on from the mark; a file is removed only under the digest's
 *   lock while the mark is there.
 */
export function createGarbageCollection(deps: GarbageDeps): GarbageCollection {
  const { records, blobs, lock, clock, graceMs, onFreed } = deps;

  async function collectKind(kind: ArtefactKind, signal: AbortSignal): Promise<void> {
    for (let after = ""; ;) {
      signal.throwIfAborted();
      const page = await records.page(kind, after, pageSize);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.digest;
      await judgePage(kind, page, signal);
    }
  }

  async function judgePage(kind: ArtefactKind, page: readonly ArtefactAge[], signal: AbortSignal): Promise<void> {
    const now = clock.now();
    const unreferencedUntil = new Date(now.getTime() - graceMs);
    const referenced = await deps.askReferenced(
      page.map(({ digest }) => digest),
      signal,
    );
    const verdicts = Object.groupBy(page, (artefact) => judge(artefact, referenced, unreferencedUntil));
    const digests = (of: readonly ArtefactAge[] = []) => of.map(({ digest }) => digest);
    await records.noteReferenced(kind, digests(verdicts.revive));
    await records.noteUnreferenced(kind, digests(verdicts.note), now);
    for (const digest of digests(verdicts.remove)) {
      signal.throwIfAborted();
      await (kind === "bundle"
        ? removeBundle(digest, unreferencedUntil)
        : removeConfiguration(digest, unreferencedUntil));
    }
  }

  async function removeConfiguration(digest: ArtefactDigest, unreferencedUntil: Date): Promise<void> {
    const removed = await records.removeConfiguration(digest, unreferencedUntil);
    if (removed) onFreed({ kind: "configuration", digest, sizeBytes: removed.sizeBytes });
  }

  async function removeBundle(digest: ArtefactDigest, unreferencedUntil: Date): Promise<void> {
    if ((await records.condemn(digest, unreferencedUntil, clock.now())) === "condemned") await finishBundle(digest);
  }

  /** Also what an earlier pass left unfinished. Somebody who uploads or reads it now has it stay for the next pass. */
  async function finishBundle(digest: ArtefactDigest): Promise<void> {
    await lock.tryHold(digest, async (lost) => {
      if (!(await records.isCondemned(digest))) return; // uploaded again
      lost.throwIfAborted();
      const removal = await blobs.removeStored(digest);
      if (removal.outcome === "in-use") return;
      await records.forget(digest);
      onFreed({ kind: "bundle", digest, sizeBytes: removal.sizeBytes });
    });
  }

  async function finishCondemned(signal: AbortSignal): Promise<void> {
    for (let after = ""; ;) {
      signal.throwIfAborted();
      const digests = await records.condemned(after, pageSize);
      const last = digests.at(-1);
      if (last === undefined) return;
      after = last;
      for (const digest of digests) await finishBundle(digest);
    }
  }

  async function collectUnrecorded(signal: AbortSignal): Promise<void> {
    const now = clock.now();
    for await (const digests of blobs.storedDigests(pageSize)) {
      signal.throwIfAborted();
      const firstSeen = await records.noteUnrecorded(digests, now);
      for (const [digest, seenAt] of firstSeen) {
        if (now.getTime() - seenAt.getTime() >= graceMs) await removeUnrecorded(digest);
      }
    }
  }

  async function removeUnrecorded(digest: ArtefactDigest): Promise<void> {
    await lock.tryHold(digest, async (lost) => {
      if (!(await records.isUnrecorded(digest))) return;
      lost.throwIfAborted();
      const removal = await blobs.removeStored(digest);
      if (removal.outcome === "in-use") return;
      await records.forgetUnrecorded(digest);
      onFreed({ kind: "unrecorded", digest, sizeBytes: removal.sizeBytes });
    });
  }

  return {
    collect: async (signal) => {
      await finishCondemned(signal);
      await collectUnrecorded(signal);
      await collectKind("bundle", signal);
      await collectKind("configuration", signal);
    },
  };
}

/** Decide about one artefact: `note` that it has no reference, `revive` it, `remove` it, or `leave` it as it is. */
export function judge(
  { digest, unreferencedSince }: ArtefactAge,
  referenced: ReadonlySet<ArtefactDigest>,
  unreferencedUntil: Date,
): "note" | "revive" | "remove" | "leave" {
  if (referenced.has(digest)) return unreferencedSince === undefined ? "leave" : "revive";
  if (unreferencedSince === undefined) return "note";
  return unreferencedSince <= unreferencedUntil ? "remove" : "leave";
}
