import { enqueueEvent, type Store } from "@drawbridge/store";
import type { BundleRecords } from "../domain/bundle-record.ts";
import { bundleStored } from "../events/bundle-stored.ts";
import type { ConfigResolverDatabase } from "./database.ts";

export function createBundleRepository(store: Store<ConfigResolverDatabase>): BundleRecords {
  const present = (digest: string) =>
    store.db.selectFrom("bundle").selectAll().where("digest", "=", digest).where("removing_since", "is", null);
  return {
    find: async (digest) => {
      let row = await present(digest).executeTakeFirst();
      if (row !== undefined && row.unreferenced_since !== null) {
        row = await store.db
          .updateTable("bundle")
          .set({ unreferenced_since: null })
          .where("digest", "=", digest)
          .where("removing_since", "is", null)
          .returningAll()
          .executeTakeFirst();
      }
      if (row === undefined) return undefined;
      return {
        digest,
        sizeBytes: Number(row.size_bytes), // at most 2 GiB
        appName: row.app_name,
        version: row.version,
        manifestJson: row.manifest_json,
        storedAt: row.stored_at,
      };
    },
    record: (bundle) =>
      store.transaction(async (tx) => {
        const inserted = await tx
          .insertInto("bundle")
          .values({
            digest: bundle.digest,
            size_bytes: bundle.sizeBytes,
            app_name: bundle.appName,
            version: bundle.version,
            manifest_json: bundle.manifestJson,
            stored_at: bundle.storedAt,
          })
          .onConflict((conflict) =>
            conflict
              .column("digest")
              .doUpdateSet({ stored_at: bundle.storedAt, unreferenced_since: null, removing_since: null })
              .where("bundle.removing_since", "is not", null),
          )
          .returning("digest")
          .executeTakeFirst();
        if (inserted !== undefined) await enqueueEvent(tx, bundleStored(bundle));
      }),
  };
}
