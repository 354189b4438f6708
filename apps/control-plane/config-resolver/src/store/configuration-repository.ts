import type { Store } from "@drawbridge/store";
import type { ConfigurationRecords } from "../domain/configurations.ts";
import type { ConfigResolverDatabase } from "./database.ts";

export function createConfigurationRepository(store: Pick<Store<ConfigResolverDatabase>, "db">): ConfigurationRecords {
  return {
    save: async (configuration) => {
      await store.db
        .insertInto("configuration")
        .values({
          digest: configuration.digest,
          org: configuration.org,
          ciphertext: Buffer.from(configuration.ciphertext),
          wrapped_key: Buffer.from(configuration.wrappedKey),
          kek_id: configuration.kekId,
          size_bytes: configuration.sizeBytes,
          created_at: configuration.createdAt,
        })
        .onConflict((conflict) => conflict.column("digest").doUpdateSet({ unreferenced_since: null }))
        .execute();
    },
    find: async (digest) => {
      const row = await store.db
        .selectFrom("configuration")
        .select(["ciphertext", "wrapped_key", "kek_id"])
        .where("digest", "=", digest)
        .executeTakeFirst();
      return row && { ciphertext: row.ciphertext, wrappedKey: row.wrapped_key, kekId: row.kek_id };
    },
  };
}
