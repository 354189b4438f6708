import { sql, type Store } from "@drawbridge/store";
import { isArtefactDigest, type ArtefactDigest } from "../domain/artefact-digest.ts";
import type { GarbageRecords } from "../domain/garbage.ts";
import type { ConfigResolverDatabase } from "./database.ts";

export function createGarbageRepository(store: Pick<Store<ConfigResolverDatabase>, "db">): GarbageRecords {
  const { db } = store;
  return {
    page: async (kind, after, limit) => {
      const rows =
        kind === "bundle"
          ? await db
              .selectFrom("bundle")
              .select(["digest", "unreferenced_since"])
              .where("digest", ">", after)
              .where("removing_since", "is", null)
              .orderBy("digest")
              .limit(limit)
              .execute()
          : await db
              .selectFrom("configuration")
              .select(["digest", "unreferenced_since"])
              .where("digest", ">", after)
              .orderBy("digest")
              .limit(limit)
              .execute();
      return rows.flatMap(({ digest, unreferenced_since }) =>
        isArtefactDigest(digest) ? [{ digest, unreferencedSince: unreferenced_since ?? undefined }] : [],
      );
    },
    noteReferenced: async (kind, digests) => {
      if (digests.length === 0) return;
      await db.updateTable(kind).set({ unreferenced_since: null }).where("digest", "in", digests).execute();
    },
    noteUnreferenced: async (kind, digests, now) => {
      if (digests.length === 0) return;
      await db
        .updateTable(kind)
        .set({ unreferenced_since: now })
        .where("digest", "in", digests)
        .where("unreferenced_since", "is", null)
        .execute();
    },
    condemn: async (digest, unreferencedUntil, now) => {
      const row = await db
        .updateTable("bundle")
        .set({ removing_since: now })
        .where("digest", "=", digest)
        .where("removing_since", "is", null)
        .where("unreferenced_since", "<=", unreferencedUntil)
        .returning("digest")
        .executeTakeFirst();
      return row === undefined ? "wanted" : "condemned";
    },
    condemned: async (after, limit) => {
      const rows = await db
        .selectFrom("bundle")
        .select("digest")
        .where("removing_since", "is not", null)
        .where("digest", ">", after)
        .orderBy("digest")
        .limit(limit)
        .execute();
      return rows.map(({ digest }) => digest).filter((digest) => isArtefactDigest(digest));
    },
    isCondemned: async (digest) => {
      const row = await db
        .selectFrom("bundle")
        .select("digest")
        .where("digest", "=", digest)
        .where("removing_since", "is not", null)
        .executeTakeFirst();
      return row !== undefined;
    },
    forget: async (digest) => {
      await db.deleteFrom("bundle").where("digest", "=", digest).where("removing_since", "is not", null).execute();
    },
    removeConfiguration: async (digest, unreferencedUntil) => {
      const row = await db
        .deleteFrom("configuration")
        .where("digest", "=", digest)
        .where("unreferenced_since", "<=", unreferencedUntil)
        .returning("size_bytes")
        .executeTakeFirst();
      return row && { sizeBytes: row.size_bytes };
    },
    noteUnrecorded: async (digests, now) => {
      if (digests.length === 0) return new Map();
      const { rows } = await sql<{ digest: string; first_seen_at: Date }>`
        WITH unrecorded AS (
          SELECT digest FROM unnest(${digests}::text[]) AS found (digest)
          WHERE NOT EXISTS (SELECT FROM bundle WHERE bundle.digest = found.digest)
        ), recorded AS (
          DELETE FROM unrecorded_blob
          WHERE digest = ANY (${digests}::text[]) AND digest NOT IN (SELECT digest FROM unrecorded)
        )
        INSERT INTO unrecorded_blob SELECT digest, ${now}::timestamptz FROM unrecorded
        ON CONFLICT (digest) DO UPDATE SET first_seen_at = LEAST(unrecorded_blob.first_seen_at, excluded.first_seen_at)
        RETURNING digest, first_seen_at
      `.execute(db);
      return new Map(
        rows.flatMap((row): [ArtefactDigest, Date][] =>
          isArtefactDigest(row.digest) ? [[row.digest, row.first_seen_at]] : [],
        ),
      );
    },
    isUnrecorded: async (digest) => {
      const row = await db.selectFrom("bundle").select("digest").where("digest", "=", digest).executeTakeFirst();
      return row === undefined;
    },
    forgetUnrecorded: async (digest) => {
      await db.deleteFrom("unrecorded_blob").where("digest", "=", digest).execute();
    },
  };
}
