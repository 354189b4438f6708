import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { KeyEncryptionKeys } from "@drawbridge/pki";
import { sql, type Store } from "@drawbridge/store";
import { rewrapConfigurationKey } from "../crypto/configuration-cipher.ts";
import { rewrapKey } from "../crypto/wrapped-key.ts";
import { isArtefactDigest } from "../domain/artefact-digest.ts";
import type { ConfigResolverDatabase } from "./database.ts";
import { digestKeyName } from "./digest-key.ts";

export interface RewrapProgress {
  readonly rewrapped: number;
  /** Keys that are still under another key encryption key. */
  readonly left: number;
}

export interface RewrapOptions {
  readonly store: Pick<Store<ConfigResolverDatabase>, "db" | "transaction">;
  readonly keks: KeyEncryptionKeys;
  /** After each batch. */
  readonly onProgress: (progress: RewrapProgress) => void;
  /** A key that cannot be opened; it stays as it is. */
  readonly onDamaged: (digest: string, error: unknown) => void;
  readonly batchSize?: number;
}

/**
 * Bring every stored key under the current key encryption key. Documents are not touched, only the data keys around them. Each
 * batch is a transaction and each row says what it is wrapped under, so that it can be broken off and started again at any
 * time, also beside running services and another run of itself.
 * @throws DrawbridgeError `REWRAP_INCOMPLETE` (failed_precondition): keys are left that none of the given keys opens
 */
export async function rewrapKeys(options: RewrapOptions): Promise<RewrapProgress> {
  const { store, keks, onProgress } = options;
  let rewrapped = await rewrapDigestKey(options);
  for (let after = ""; ;) {
    const batch = await rewrapBatch(options, after);
    rewrapped += batch.rewrapped;
    if (batch.last === undefined) break;
    after = batch.last;
    onProgress({ rewrapped, left: await countLeft(store, keks) });
  }
  const left = await countLeft(store, keks);
  if (left > 0) throw incomplete(left, keks, await foreignIds(store, keks));
  return { rewrapped, left };
}

async function rewrapDigestKey({ store, keks }: RewrapOptions): Promise<number> {
  return store.transaction(async (tx) => {
    const row = await tx
      .selectFrom("service_key")
      .selectAll()
      .where("name", "=", digestKeyName)
      .where("kek_id", "!=", keks.current.id)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) return 0;
    const wrapped = { kekId: row.kek_id, wrappedKey: row.wrapped_key };
    const made = rewrapKey(wrapped, { keks, boundTo: digestKeyName });
    await tx
      .updateTable("service_key")
      .set({ kek_id: made.kekId, wrapped_key: Buffer.from(made.wrappedKey) })
      .where("name", "=", digestKeyName)
      .execute();
    return 1;
  });
}

async function rewrapBatch(
  { store, keks, onDamaged, batchSize = 200 }: RewrapOptions,
  after: string,
): Promise<{ readonly rewrapped: number; readonly last: string | undefined }> {
  const openable = keks.previous.map(({ id }) => id);
  if (openable.length === 0) return { rewrapped: 0, last: undefined };
  return store.transaction(async (tx) => {
    const rows = await tx
      .selectFrom("configuration")
      .select(["digest", "kek_id", "wrapped_key"])
      .where("digest", ">", after)
      .where("kek_id", "in", openable)
      .orderBy("digest")
      .limit(batchSize)
      .forUpdate()
      .execute();
    let rewrapped = 0;
    for (const row of rows) {
      if (!isArtefactDigest(row.digest)) continue; // the table allows no other
      try {
        const wrapped = { kekId: row.kek_id, wrappedKey: row.wrapped_key };
        const made = rewrapConfigurationKey(wrapped, row.digest, keks);
        await tx
          .updateTable("configuration")
          .set({ kek_id: made.kekId, wrapped_key: Buffer.from(made.wrappedKey) })
          .where("digest", "=", row.digest)
          .execute();
        rewrapped += 1;
      } catch (error) {
        if (!isDrawbridgeError(error, "CONFIGURATION_DAMAGED")) throw error;
        onDamaged(row.digest, error);
      }
    }
    return { rewrapped, last: rows.at(-1)?.digest };
  });
}

async function countLeft({ db }: RewrapOptions["store"], keks: KeyEncryptionKeys): Promise<number> {
  const { rows } = await sql<{ left: string }>`
    SELECT (SELECT count(*) FROM configuration WHERE kek_id <> ${keks.current.id})
      + (SELECT count(*) FROM service_key WHERE kek_id <> ${keks.current.id}) AS left
  `.execute(db);
  return Number(rows[0]?.left ?? 0);
}

async function foreignIds({ db }: RewrapOptions["store"], keks: KeyEncryptionKeys): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("configuration")
    .select("kek_id")
    .distinct()
    .where("kek_id", "!=", keks.current.id)
    .orderBy("kek_id")
    .limit(10)
    .execute();
  return rows.map(({ kek_id }) => kek_id);
}

function incomplete(left: number, keks: KeyEncryptionKeys, ids: readonly string[]): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "REWRAP_INCOMPLETE",
    message: `${left} keys are still under ${ids.join(", ")} instead of ${keks.current.id}: give the keys that they are under, each on a line behind the current one; damaged ones are named in the log`,
  });
}
