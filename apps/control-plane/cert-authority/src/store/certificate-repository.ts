import { enqueueEvent, enqueueEvents, sql, type Kysely, type Store, type Transaction } from "@drawbridge/store";
import { eventScopeOf, stateOf, type CertificateRecord } from "../domain/certificate.ts";
import { decodePageToken, encodePageToken } from "../domain/page-token.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** What is revoked: one certificate, or all unexpired ones of a fabric. */
export type RevocationTarget =
  | { readonly kind: "serial_number"; readonly serialNumber: string }
  | { readonly kind: "fabric"; readonly fabricId: string };

export interface Revocation {
  readonly target: RevocationTarget;
  readonly reason: string;
  /** SPIFFE ID of the caller, or the event that asked for it. */
  readonly revokedBy: string;
  readonly now: Date;
}

export interface CertificateRepository {
  find(serialNumber: string): Promise<CertificateRecord | undefined>;
  /** Mark as used; revoked certificates stay as they are. The record after that, or undefined if there is none. */
  activate(serialNumber: string, now: Date): Promise<CertificateRecord | undefined>;
  /** Revoke what is not revoked yet. Serial numbers that this call revoked. */
  revoke(revocation: Revocation): Promise<readonly string[]>;
  /** As `revoke`, in a transaction of the caller. */
  revokeIn(tx: Transaction<CertAuthorityDb>, revocation: Revocation): Promise<readonly string[]>;
  /** Newest first. Index certificate_fabric, or the primary key. */
  list(query: {
    readonly fabricId: string | undefined;
    readonly pageSize: number;
    readonly pageToken: string;
  }): Promise<{ readonly certificates: readonly CertificateRecord[]; readonly nextPageToken: string }>;
  /** Unexpired revoked certificates of one issuer, for its revocation list. */
  revokedBy(
    issuerId: string,
    now: Date,
  ): Promise<readonly { readonly serialNumber: string; readonly revokedAt: Date }[]>;
  nextRevocationListNumber(): Promise<number>;
}

export function createCertificateRepository(
  store: Pick<Store<CertAuthorityDb>, "db" | "transaction">,
): CertificateRepository {
  const revokeIn: CertificateRepository["revokeIn"] = async (tx, revocation) => {
    const revoked = await insertRevocations(tx, revocation);
    await enqueueEvents(
      tx,
      revoked.map((row) => ({
        type: "certs.certificate.revoked.v1" as const,
        scope: eventScopeOf({ fabricId: row.fabric_id ?? undefined }),
        occurredAt: revocation.now,
        payload: { serialNumber: row.serial_number, spiffeId: row.spiffe_id, reason: revocation.reason },
      })),
    );
    return revoked.map((row) => row.serial_number);
  };

  return {
    find: (serialNumber) => findOne(store.db, serialNumber),
    activate: (serialNumber, now) => store.transaction((tx) => activate(tx, serialNumber, now)),
    revoke: (revocation) => store.transaction((tx) => revokeIn(tx, revocation)),
    revokeIn,
    list: async ({ fabricId, pageSize, pageToken }) => {
      const before = decodePageToken(pageToken);
      let query = selectRecords(store.db)
        .orderBy("certificate.position", "desc")
        .limit(pageSize + 1);
      if (fabricId !== undefined) query = query.where("certificate.fabric_id", "=", fabricId);
      if (before !== undefined) query = query.where("certificate.position", "<", String(before));
      const rows = await query.execute();
      const page = rows.slice(0, pageSize);
      const last = page.at(-1);
      const hasMore = rows.length > pageSize && last !== undefined;
      return {
        certificates: page.map(recordFromRow),
        nextPageToken: hasMore ? encodePageToken(BigInt(last.position)) : "",
      };
    },
    revokedBy: async (issuerId, now) => {
      const rows = await store.db
        .selectFrom("revocation")
        .innerJoin("certificate", "certificate.serial_number", "revocation.serial_number")
        .select(["revocation.serial_number", "revocation.revoked_at"])
        .where("certificate.issuer_id", "=", issuerId)
        .where("certificate.not_after", ">", now)
        .orderBy("revocation.serial_number")
        .execute();
      return rows.map((row) => ({ serialNumber: row.serial_number, revokedAt: row.revoked_at }));
    },
    nextRevocationListNumber: async () => {
      const { rows } = await sql<{ number: string }>`SELECT nextval('crl_number') AS number`.execute(store.db);
      return Number(rows[0]?.number);
    },
  };
}

async function activate(
  tx: Transaction<CertAuthorityDb>,
  serialNumber: string,
  now: Date,
): Promise<CertificateRecord | undefined> {
  const first = await tx
    .updateTable("certificate")
    .set({ activated_at: now })
    .where("serial_number", "=", serialNumber)
    .where("activated_at", "is", null)
    .where((where) =>
      where.not(
        where.exists(where.selectFrom("revocation").select("reason").where("serial_number", "=", serialNumber)),
      ),
    )
    .returning(["spiffe_id", "fabric_id"])
    .executeTakeFirst();
  if (first) {
    await enqueueEvent(tx, {
      type: "certs.certificate.activated.v1",
      scope: eventScopeOf({ fabricId: first.fabric_id ?? undefined }),
      occurredAt: now,
      payload: { serialNumber, spiffeId: first.spiffe_id },
    });
  }
  return findOne(tx, serialNumber);
}

/** One conditional statement: of two callers at once each certificate is revoked by one. */
async function insertRevocations(tx: Transaction<CertAuthorityDb>, revocation: Revocation) {
  const { target, reason, revokedBy, now } = revocation;
  const wanted =
    target.kind === "fabric"
      ? sql`fabric_id = ${target.fabricId}::uuid AND not_after > ${now}`
      : sql`serial_number = ${target.serialNumber}`;
  const { rows } = await sql<{ serial_number: string; spiffe_id: string; fabric_id: string | null }>`
    WITH revoked AS (
      INSERT INTO revocation (serial_number, revoked_at, reason, revoked_by)
      SELECT serial_number, ${now}::timestamptz, ${reason}, ${revokedBy} FROM certificate WHERE ${wanted}
      ON CONFLICT (serial_number) DO NOTHING
      RETURNING serial_number
    )
    SELECT certificate.serial_number, certificate.spiffe_id, certificate.fabric_id
    FROM certificate JOIN revoked USING (serial_number)
  `.execute(tx);
  return rows;
}

async function findOne(db: Kysely<CertAuthorityDb>, serialNumber: string): Promise<CertificateRecord | undefined> {
  const row = await selectRecords(db).where("certificate.serial_number", "=", serialNumber).executeTakeFirst();
  return row && recordFromRow(row);
}

function selectRecords(db: Kysely<CertAuthorityDb>) {
  return db
    .selectFrom("certificate")
    .leftJoin("revocation", "revocation.serial_number", "certificate.serial_number")
    .select([
      "certificate.position",
      "certificate.serial_number",
      "certificate.spiffe_id",
      "certificate.fabric_id",
      "certificate.spki_sha256",
      "certificate.not_before",
      "certificate.not_after",
      "certificate.activated_at",
      "revocation.revoked_at",
      "revocation.reason",
    ]);
}

type RecordRow = Awaited<ReturnType<ReturnType<typeof selectRecords>["execute"]>>[number];

function recordFromRow(row: RecordRow): CertificateRecord {
  return {
    serialNumber: row.serial_number,
    spiffeId: row.spiffe_id,
    fabricId: row.fabric_id ?? undefined,
    spkiSha256: row.spki_sha256,
    notBefore: row.not_before,
    notAfter: row.not_after,
    state: stateOf({ activatedAt: row.activated_at, revokedAt: row.revoked_at, reason: row.reason }),
  };
}
