import { sql, type Store } from "@drawbridge/store";
import type { RuntimeDatabase } from "./schema.ts";

export interface ArtefactReferences {
  /** Of these digests, those of a bundle or configuration of a revision; apps being deleted count, deleted fabrics do not. */
  filterReferenced(digests: readonly string[]): Promise<readonly string[]>;
}

export function createArtefactReferences(store: Pick<Store<RuntimeDatabase>, "db">): ArtefactReferences {
  return {
    filterReferenced: async (digests) => {
      if (digests.length === 0) return [];
      // Both expressions are as in the indexes on `revision`.
      const { rows } = await sql<{ digest: string }>`
        WITH reference AS (
          SELECT bundle ->> 'digest' AS digest, app_id FROM revision WHERE bundle ->> 'digest' = ANY (${digests}::text[])
          UNION
          SELECT configuration ->> 'digest', app_id FROM revision
          WHERE configuration IS NOT NULL AND configuration ->> 'digest' = ANY (${digests}::text[])
        )
        SELECT DISTINCT reference.digest FROM reference
        JOIN app ON app.app_id = reference.app_id
        JOIN fabric ON fabric.fabric_id = app.fabric_id
        WHERE fabric.deleted_at IS NULL
      `.execute(store.db);
      return rows.map(({ digest }) => digest);
    },
  };
}
