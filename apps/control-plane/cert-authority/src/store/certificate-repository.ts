import { enqueueEvent, sql, type Kysely, type Store, type Transaction } from "@drawbridge/store";
import { eventScopeOf, stateOf, type CertificateRecord } from "../domain/certificate.ts";
import { decodePageToken, encodePageToken } from "../domain/page-token.ts";
import type { CertAuthorityDb } from "./schema.ts";

export interface CertificateQuery {
  /** Absent: of all fabrics and services. */
  readonly fabricId: string | undefined;
  readonly spiffeId: string | undefined;
  /** Leave out what has expired at this instant; absent: nothing. */
  readonly expiringAfter: Date | undefined;
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface CertificateRepository {
  find(serialNumber: string): Promise<CertificateRecord | undefined>;
  /** Mark as used; revoked certificates stay as they are. The record after that, or undefined if there is none. */
  activate(serialNumber: string, now: Date): Promise<CertificateRecord | undefined>;
  /** Newest first. Index certificate_spiffe_id, certificate_fabric, or the primary key. */
  list(
    query: CertificateQuery,
  ): Promise<{ readonly certificates: readonly CertificateRecord[]; readonly nextPageToken: string }>;
}

export function createCertificateRepository(
  store: Pick<Store<CertAuthorityDb>, "db" | "transaction">,
): CertificateRepository {
  return {
    find: (serialNumber) => findOne(store.db, serialNumber),
    activate: (serialNumber, now) => store.transaction((tx) => activate(tx, serialNumber, now)),
    list: async ({ fabricId, spiffeId, expiringAfter, pageSize, pageToken }) => {
      const before = decodePageToken(pageToken);
      let query = selectRecords(store.db)
        .orderBy("certificate.position", "desc")
        .limit(pageSize + 1);
      if (fabricId !== undefined) query = query.where("certificate.fabric_id", "=", fabricId);
      if (spiffeId !== undefined) query = query.where("certificate.spiffe_id", "=", spiffeId);
      if (expiringAfter !== undefined) query = query.where("certificate.not_after", ">", expiringAfter);
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
  };
}

async function activate(
  tx: Transaction<CertAuthorityDb>,
  serialNumber: string,
  now: Date,
): Promise<CertificateRecord | undefined> {
  const first = await tx
    .updateTable("certificate")
    // Older certificates of a fabric's name are revoked after a grace time; services have replicas under one name.
    .set({ activated_at: now, is_superseding: sql<boolean>`fabric_id IS NOT NULL` })
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
      sql<string>`encode(sha256(certificate.certificate_der), 'hex')`.as("fingerprint_sha256"),
      "certificate.issuer_id",
      "certificate.issued_at",
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
    fingerprintSha256: row.fingerprint_sha256,
    issuerId: row.issuer_id,
    issuedAt: row.issued_at,
    activatedAt: row.activated_at ?? undefined,
    notBefore: row.not_before,
    notAfter: row.not_after,
    state: stateOf({ activatedAt: row.activated_at, revokedAt: row.revoked_at, reason: row.reason }),
  };
}
