import { sql, type Store, type Transaction } from "@drawbridge/store";
import type { Revocation } from "../domain/revocation.ts";
import { lockRevocationList, renewListId } from "./revocation-list-id.ts";
import { enqueueRevoked } from "./revocation-repository.ts";
import { revocationFromRow, type RevocationRow } from "./revocation-row.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** What of this database must never go back. */
export interface MirroredState {
  readonly listId: string;
  readonly lastPosition: bigint;
  /** Of the trust bundle; 0 before the bootstrap. */
  readonly bundleSequence: bigint;
}

/** The database's side of the mirror of the revocation list. */
export interface MirrorRepository {
  readState(): Promise<MirroredState>;
  /** Entries that are not known to be in the mirror, in order. Index revocation_unmirrored. */
  unmirrored(limit: number): Promise<readonly Revocation[]>;
  markMirrored(positions: readonly bigint[]): Promise<void>;
  /** Have everything that should be in the mirror, and whose key is not among these, written again. Returns how many. */
  unmarkMissing(keys: ReadonlySet<string>): Promise<number>;
  /** Those of these keys that this database has no revocation of. Index revocation_key. */
  unknown(keys: readonly string[]): Promise<readonly string[]>;
  /** Take back what the mirror has and this database lacks; readers then read again. Returns how many were new. */
  takeBack(lost: {
    readonly revocations: readonly Revocation[];
    /** No position up to this one is given out again. */
    readonly abovePosition: bigint;
    readonly listId: string;
    readonly now: Date;
  }): Promise<number>;
  /** The database has all that the mirror has. */
  markComplete(): Promise<void>;
  /** Of several replicas that ask at once one is let in; undefined for the others. */
  exclusively<T>(work: () => Promise<T>): Promise<T | undefined>;
}

const chunkSize = 5_000;

export function createMirrorRepository(store: Pick<Store<CertAuthorityDb>, "db" | "transaction">): MirrorRepository {
  return {
    readState: async () => {
      const { rows } = await sql<{ list_id: string; last_position: string; sequence: string | null }>`
        SELECT list_id, (SELECT last_value FROM revocation_position) AS last_position,
          (SELECT sequence FROM trust_bundle) AS sequence
        FROM revocation_list
      `.execute(store.db);
      const [row] = rows;
      if (!row) throw new Error("the revocation list has no id: was the schema migrated?");
      return {
        listId: row.list_id,
        lastPosition: BigInt(row.last_position),
        bundleSequence: BigInt(row.sequence ?? 0),
      };
    },
    unmirrored: async (limit) => {
      const { rows } = await sql<RevocationRow>`
        SELECT position, serial_number, fingerprint_sha256, spiffe_id, fabric_id, revoked_at, not_after, reason
        FROM revocation WHERE NOT is_mirrored ORDER BY position LIMIT ${limit}
      `.execute(store.db);
      return rows.map(revocationFromRow);
    },
    markMirrored: async (positions) => {
      await sql`
        UPDATE revocation SET is_mirrored = true WHERE position = ANY(${positions.map(String)}::bigint[])
      `.execute(store.db);
    },
    unmarkMissing: (keys) => unmarkMissing(store, keys),
    unknown: (keys) => unknown(store, keys),
    markComplete: async () => {
      await sql`UPDATE revocation_list SET is_incomplete = false WHERE is_incomplete`.execute(store.db);
    },
    takeBack: (lost) => store.transaction((tx) => takeBack(tx, lost)),
    exclusively: (work) =>
      store.transaction(async (tx) => {
        const { rows } = await sql<{ locked: boolean }>`
          SELECT pg_try_advisory_xact_lock(hashtextextended('drawbridge cert-authority revocation mirror', 0)) AS locked
        `.execute(tx);
        return rows[0]?.locked ? work() : undefined;
      }),
  };
}

async function unmarkMissing(store: Pick<Store<CertAuthorityDb>, "db">, keys: ReadonlySet<string>): Promise<number> {
  let missing = 0;
  for (let after = "0"; ;) {
    const { rows } = await sql<{ position: string; key: string }>`
      SELECT position, key FROM revocation
      WHERE is_listed AND is_mirrored AND position > ${after} ORDER BY position LIMIT ${chunkSize}
    `.execute(store.db);
    const lost = rows.filter(({ key }) => !keys.has(key)).map(({ position }) => position);
    if (lost.length > 0) {
      await sql`UPDATE revocation SET is_mirrored = false WHERE position = ANY(${lost}::bigint[])`.execute(store.db);
    }
    missing += lost.length;
    const last = rows.at(-1);
    if (!last || rows.length < chunkSize) return missing;
    after = last.position;
  }
}

async function unknown(store: Pick<Store<CertAuthorityDb>, "db">, keys: readonly string[]): Promise<readonly string[]> {
  const result: string[] = [];
  for (let from = 0; from < keys.length; from += chunkSize) {
    const { rows } = await sql<{ key: string }>`
      SELECT asked.key FROM unnest(${keys.slice(from, from + chunkSize)}::text[]) AS asked (key)
      WHERE NOT EXISTS (SELECT 1 FROM revocation WHERE revocation.key = asked.key)
    `.execute(store.db);
    result.push(...rows.map(({ key }) => key));
  }
  return result;
}

async function takeBack(
  tx: Transaction<CertAuthorityDb>,
  { revocations, abovePosition, listId, now }: Parameters<MirrorRepository["takeBack"]>[0],
): Promise<number> {
  await lockRevocationList(tx);
  await sql`
    SELECT setval('revocation_position', greatest(${String(abovePosition)}::bigint, last_value), true)
    FROM revocation_position WHERE last_value < ${String(abovePosition)}::bigint
  `.execute(tx);
  const { rows } = await sql<{
    serial_number: string | null;
    spiffe_id: string;
    fabric_id: string | null;
    reason: string;
  }>`
    INSERT INTO revocation (serial_number, fingerprint_sha256, spiffe_id, fabric_id, issuer_id, not_after, revoked_at,
      reason, revoked_by, is_mirrored)
    SELECT lost.serial_number, lost.fingerprint_sha256, lost.spiffe_id, lost.fabric_id, certificate.issuer_id,
      lost.not_after, lost.revoked_at, lost.reason, 'mirror', true
    FROM unnest(
      ${revocations.map((row) => row.serialNumber ?? null)}::text[],
      ${revocations.map((row) => row.fingerprintSha256 ?? null)}::text[],
      ${revocations.map((row) => row.spiffeId)}::text[],
      ${revocations.map((row) => row.fabricId ?? null)}::uuid[],
      ${revocations.map((row) => row.notAfter)}::timestamptz[],
      ${revocations.map((row) => row.revokedAt)}::timestamptz[],
      ${revocations.map((row) => row.reason)}::text[]
    ) AS lost (serial_number, fingerprint_sha256, spiffe_id, fabric_id, not_after, revoked_at, reason)
    LEFT JOIN certificate USING (serial_number)
    ON CONFLICT (key) DO NOTHING
    RETURNING serial_number, spiffe_id, fabric_id, reason
  `.execute(tx);
  for (const reason of new Set(rows.map((row) => row.reason))) {
    await enqueueRevoked(tx, { rows: rows.filter((row) => row.reason === reason), reason, now });
  }
  await renewListId(tx, { from: listId });
  return rows.length;
}
