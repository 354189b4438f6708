import { leafTtl } from "@drawbridge/pki";
import { enqueueEvents, sql, type Store, type Transaction } from "@drawbridge/store";
import { eventScopeOf } from "../domain/certificate.ts";
import { revocationPageSize, type Revocation, type RevocationTarget } from "../domain/revocation.ts";
import { distrustList, isRestored, lockRevocationList } from "./revocation-list-id.ts";
import { revocationFromRow, type RevocationRow } from "./revocation-row.ts";
import { lockNames } from "./revoked-names.ts";
import type { CertAuthorityDb } from "./schema.ts";

export interface RevocationRequest {
  readonly target: RevocationTarget;
  readonly reason: string;
  /** All certificates of the name of the one that is meant, if it is a fabric's: services share theirs. */
  readonly isWholeName?: boolean;
  /** SPIFFE ID of the caller, or the event that asked for it. */
  readonly revokedBy: string;
  readonly now: Date;
}

export interface RevocationPage {
  readonly revocations: readonly Revocation[];
  readonly nextPosition: bigint;
  readonly hasMore: boolean;
  readonly listId: string;
}

/** What a CRL says of a revoked certificate. */
export interface RevokedSerial {
  readonly serialNumber: string;
  readonly revokedAt: Date;
  readonly reason: string;
}

export interface RevocationRepository {
  /** Revoke what is not revoked yet, and tell. Serial numbers that this call revoked. */
  revoke(request: RevocationRequest): Promise<readonly string[]>;
  /** As `revoke`, in a transaction of the caller, who calls `tell` after it. */
  revokeIn(tx: Transaction<CertAuthorityDb>, request: RevocationRequest): Promise<readonly string[]>;
  /** Something was revoked and committed. */
  tell(): void;
  onRevoked(listener: () => void): void;
  /** Entries after a position of the list that the reader has, in order. Index revocation_listed. */
  list(query: { readonly afterPosition: bigint; readonly listId: string }): Promise<RevocationPage>;
  /** Unexpired revoked certificates of one issuer, for its CRL. Index revocation_issuer. */
  revokedBy(issuerId: string, now: Date): Promise<readonly RevokedSerial[]>;
  nextCrlNumber(): Promise<number>;
}

/**
 * The list of revocations. Invariant: positions become visible in their order. Whoever inserts holds the lock of the list
 * from before the first position is drawn until its commit, so that a reader who saw a position has seen, or will never
 * see, any lower one.
 */
export function createRevocationRepository(
  store: Pick<Store<CertAuthorityDb>, "db" | "transaction">,
): RevocationRepository {
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  return {
    revoke: async (request) => {
      const outcome = await store.transaction((tx) => revokeIn(tx, request));
      tell();
      return outcome;
    },
    revokeIn,
    tell,
    onRevoked: (listener) => void listeners.add(listener),
    list: (query) => list(store, query),
    revokedBy: async (issuerId, now) => {
      const { rows } = await sql<{ serial_number: string; revoked_at: Date; reason: string }>`
        SELECT serial_number, revoked_at, reason FROM revocation
        WHERE issuer_id = ${issuerId}::uuid AND not_after > ${now} AND serial_number IS NOT NULL
        ORDER BY serial_number
      `.execute(store.db);
      return rows.map((row) => ({
        serialNumber: row.serial_number,
        revokedAt: row.revoked_at,
        reason: row.reason,
      }));
    },
    nextCrlNumber: async () => {
      const { rows } = await sql<{ number: string }>`SELECT nextval('crl_number') AS number`.execute(store.db);
      return Number(rows[0]?.number);
    },
  };
}

async function revokeIn(tx: Transaction<CertAuthorityDb>, request: RevocationRequest): Promise<readonly string[]> {
  const { target, reason, revokedBy, now } = request;
  await lockNames(tx, "revoking"); // what is being recorded is revoked, or sees this and is not recorded
  await lockRevocationList(tx);
  const { rows } = await sql<{ serial_number: string; spiffe_id: string; fabric_id: string | null }>`
    INSERT INTO revocation (serial_number, fingerprint_sha256, spiffe_id, fabric_id, issuer_id, not_after, revoked_at,
      reason, revoked_by)
    SELECT serial_number, encode(sha256(certificate_der), 'hex'), spiffe_id, fabric_id, issuer_id, not_after,
      ${now}::timestamptz, ${reason}, ${revokedBy}
    FROM certificate
    WHERE ${request.isWholeName ? wantedByName(target) : wanted(target)}
      AND NOT EXISTS (SELECT 1 FROM revocation WHERE revocation.serial_number = certificate.serial_number)
    ORDER BY certificate.position
    ON CONFLICT (key) DO NOTHING
    RETURNING serial_number, spiffe_id, fabric_id
  `.execute(tx);
  await enqueueRevoked(tx, { rows, reason, now });
  if (target.kind === "fingerprint" && rows.length === 0) await revokeUnknown(tx, target.fingerprintSha256, request);
  return rows.map((row) => row.serial_number);
}

/** Also what has expired: a clock that says so may be wrong, and there is little that was never superseded. */
function wanted(target: RevocationTarget) {
  switch (target.kind) {
    case "fabric":
      return sql`fabric_id = ${target.fabricId}::uuid`;
    case "serial_number":
      return sql`serial_number = ${target.serialNumber}`;
    case "fingerprint":
      return sql`sha256(certificate_der) = decode(${target.fingerprintSha256}, 'hex')`;
  }
}

/** Revoking one certificate is to stop who has it: what was renewed since would go on. */
function wantedByName(target: RevocationTarget) {
  const named = sql`SELECT spiffe_id FROM certificate WHERE ${wanted(target)} AND fabric_id IS NOT NULL`;
  return sql`(${wanted(target)} OR spiffe_id = ANY(ARRAY(${named})))`;
}

/** Nobody knows when it expires: at the latest after the longest life that a leaf can have. */
async function revokeUnknown(
  tx: Transaction<CertAuthorityDb>,
  fingerprintSha256: string,
  { reason, revokedBy, now }: RevocationRequest,
): Promise<void> {
  const notAfter = new Date(now.getTime() + leafTtl.maximumSeconds * 1000);
  await sql`
    INSERT INTO revocation (fingerprint_sha256, not_after, revoked_at, reason, revoked_by)
    SELECT ${fingerprintSha256}, ${notAfter}::timestamptz, ${now}::timestamptz, ${reason}, ${revokedBy}
    WHERE NOT EXISTS (SELECT 1 FROM certificate WHERE sha256(certificate_der) = decode(${fingerprintSha256}, 'hex'))
    ON CONFLICT (key) DO NOTHING
  `.execute(tx);
}

/** One event per certificate; a fingerprint of an unknown certificate has no name that an event could carry. */
export async function enqueueRevoked(
  tx: Transaction<CertAuthorityDb>,
  revoked: {
    readonly rows: readonly {
      readonly serial_number: string | null;
      readonly spiffe_id: string;
      readonly fabric_id: string | null;
    }[];
    readonly reason: string;
    readonly now: Date;
  },
): Promise<void> {
  await enqueueEvents(
    tx,
    revoked.rows.flatMap((row) =>
      row.serial_number === null
        ? []
        : [
            {
              type: "certs.certificate.revoked.v1" as const,
              scope: eventScopeOf({ fabricId: row.fabric_id ?? undefined }),
              occurredAt: revoked.now,
              payload: { serialNumber: row.serial_number, spiffeId: row.spiffe_id, reason: revoked.reason },
            },
          ],
    ),
  );
}

async function list(
  store: Pick<Store<CertAuthorityDb>, "db" | "transaction">,
  query: { readonly afterPosition: bigint; readonly listId: string },
): Promise<RevocationPage> {
  // The id first: entries that a renewal of the list adds are then read under the old id or found by reading again.
  const state = await readListState(store);
  if (isRestored(query, state)) {
    await store.transaction((tx) => distrustList(tx, { from: state.listId }));
    return list(store, query);
  }
  const afterPosition = query.listId === state.listId || query.listId === "" ? query.afterPosition : 0n;
  const { rows } = await sql<RevocationRow>`
    SELECT position, serial_number, fingerprint_sha256, spiffe_id, fabric_id, revoked_at, not_after, reason
    FROM revocation WHERE is_listed AND position > ${afterPosition}
    ORDER BY position LIMIT ${revocationPageSize}
  `.execute(store.db);
  const revocations = rows.map(revocationFromRow);
  return {
    revocations,
    nextPosition: revocations.at(-1)?.position ?? afterPosition,
    hasMore: rows.length === revocationPageSize,
    listId: state.listId,
  };
}

async function readListState(store: Pick<Store<CertAuthorityDb>, "db">) {
  const { rows } = await sql<{ list_id: string; last_position: string }>`
    SELECT list_id, (SELECT last_value FROM revocation_position) AS last_position FROM revocation_list
  `.execute(store.db);
  const [row] = rows;
  if (!row) throw new Error("the revocation list has no id: was the schema migrated?");
  return { listId: row.list_id, lastPosition: BigInt(row.last_position) };
}
