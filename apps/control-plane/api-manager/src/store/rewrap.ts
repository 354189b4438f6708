import type { KeyEncryptionKeys } from "@drawbridge/pki";
import { sql, type Store } from "@drawbridge/store";
import { createSealer, documentBinding, policyBinding } from "../crypto/sealer.ts";
import type { ApiManagerDatabase } from "./database.ts";

const batch = 100;

interface Row {
  readonly id: string;
  readonly version: string;
  readonly digest: Buffer;
  readonly bytes: Buffer;
  readonly kek_id: string;
}

/**
 * Bring everything that is sealed under the current key encryption key, in batches beside running services. What was removed is
 * sealed as the version before it. Answers how many records were.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` | `API_RECORD_DAMAGED`
 */
export async function rewrapAll(
  store: Pick<Store<ApiManagerDatabase>, "db">,
  keks: KeyEncryptionKeys,
): Promise<number> {
  const sealer = createSealer(keks);
  const { db } = store;
  const current = keks.current.id;
  let rewrapped = 0;

  async function inBatches(read: () => Promise<readonly Row[]>, write: (row: Row) => Promise<unknown>): Promise<void> {
    for (let rows = await read(); rows.length > 0; rows = await read()) {
      for (const row of rows) await write(row);
      rewrapped += rows.length;
    }
  }

  for (const table of ["policy", "policy_version"] as const) {
    const sealedAs = table === "policy" ? sql`version` : sql`version - CASE action WHEN 'removed' THEN 1 ELSE 0 END`;
    await inBatches(
      async () => {
        const { rows } = await sql<Row>`
          SELECT policy_id AS id, ${sealedAs} AS version, ''::bytea AS digest, configuration AS bytes, kek_id
          FROM ${sql.table(table)} WHERE kek_id <> ${current} LIMIT ${batch}
        `.execute(db);
        return rows;
      },
      (row) => {
        const binding = policyBinding(row.id, BigInt(row.version));
        const sealed = sealer.seal(sealer.open({ kekId: row.kek_id, bytes: row.bytes }, binding), binding);
        return sql`
          UPDATE ${sql.table(table)} SET configuration = ${sealed.bytes}, kek_id = ${sealed.kekId}
          WHERE policy_id = ${row.id} AND configuration = ${row.bytes}
        `.execute(db);
      },
    );
  }
  await inBatches(
    async () => {
      const { rows } = await sql<Row>`
        SELECT api_id AS id, '0' AS version, digest, bytes, kek_id FROM api_object
        WHERE kind = 'document' AND kek_id <> ${current} LIMIT ${batch}
      `.execute(db);
      return rows;
    },
    (row) => {
      const binding = documentBinding(row.id, row.digest);
      const sealed = sealer.seal(sealer.open({ kekId: row.kek_id, bytes: row.bytes }, binding), binding);
      return sql`
        UPDATE api_object SET bytes = ${sealed.bytes}, kek_id = ${sealed.kekId}
        WHERE api_id = ${row.id} AND digest = ${row.digest} AND bytes = ${row.bytes}
      `.execute(db);
    },
  );
  return rewrapped;
}
