import { enqueueEvent, type Store } from "@drawbridge/store";
import type { BundleRecords } from "../domain/bundle-record.ts";
import { bundleStored } from "../events/bundle-stored.ts";
import type { ConfigResolverDatabase } from "./database.ts";

export function createBundleRepository(store: Store<ConfigResolverDatabase>): BundleRecords {
  return {
    find: async (digest) => {
      const row = await store.db.selectFrom("bundle").selectAll().where("digest", "=", digest).executeTakeFirst();
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
          .onConflict((conflict) => conflict.column("digest").doNothing())
          .returning("digest")
          .executeTakeFirst();
        if (inserted !== undefined) await enqueueEvent(tx, bundleStored(bundle));
      }),
  };
}
