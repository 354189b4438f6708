import type { Kysely, Store } from "@drawbridge/store";
import { currentTraceparent } from "@drawbridge/telemetry";
import type { CertificateRecord } from "../domain/certificate.ts";
import { decodePageToken, encodePageToken } from "../domain/page-token.ts";
import { createActivationQueue } from "./activate-certificates.ts";
import { recordFromRow, selectRecords } from "./certificate-record.ts";
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
  /** A service works with its certificate: it is active, and will be renewed then. Nothing where it is another one's. */
  noteUse(use: {
    readonly serialNumber: string;
    readonly spiffeId: string;
    readonly renewAt: Date | undefined;
    readonly now: Date;
  }): Promise<void>;
  /** Newest first. Index certificate_name, certificate_fabric, or the primary key. */
  list(
    query: CertificateQuery,
  ): Promise<{ readonly certificates: readonly CertificateRecord[]; readonly nextPageToken: string }>;
}

export function createCertificateRepository(
  store: Pick<Store<CertAuthorityDb>, "db" | "transaction">,
): CertificateRepository {
  const activations = createActivationQueue(store);
  return {
    find: (serialNumber) => findOne(store.db, serialNumber),
    activate: (serialNumber, now) => activations.activate({ serialNumber, now, traceparent: currentTraceparent() }),
    noteUse: async ({ serialNumber, spiffeId, renewAt, now }) => {
      const row = await store.db
        .selectFrom("certificate")
        .select(["activated_at", "renew_at"])
        .where("serial_number", "=", serialNumber)
        .where("spiffe_id", "=", spiffeId)
        .executeTakeFirst();
      if (!row) return;
      if (row.activated_at === null) {
        await activations.activate({ serialNumber, now, traceparent: currentTraceparent() });
      }
      if (renewAt === undefined || row.renew_at?.getTime() === renewAt.getTime()) return;
      await store.db
        .updateTable("certificate")
        .set({ renew_at: renewAt })
        .where("serial_number", "=", serialNumber)
        .execute();
    },
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

async function findOne(db: Kysely<CertAuthorityDb>, serialNumber: string): Promise<CertificateRecord | undefined> {
  const row = await selectRecords(db).where("certificate.serial_number", "=", serialNumber).executeTakeFirst();
  return row && recordFromRow(row);
}
