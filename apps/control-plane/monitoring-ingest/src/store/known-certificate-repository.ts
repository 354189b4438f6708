import type { Store } from "@drawbridge/store";
import type { KnownCertificates, ShownCertificate } from "../domain/certificate-standing.ts";
import type { MonitoringIngestDatabase } from "./database.ts";

export function createKnownCertificateRepository(
  store: Pick<Store<MonitoringIngestDatabase>, "db">,
): KnownCertificates {
  const save = async ({ serialNumber, fabricId, notAfter }: ShownCertificate, now: Date, revokedAt: Date | null) => {
    await store.db
      .insertInto("known_certificate")
      .values({
        serial_number: serialNumber,
        fabric_id: fabricId,
        not_after: notAfter,
        first_seen_at: now,
        revoked_at: revokedAt,
      })
      .onConflict((conflict) =>
        revokedAt === null
          ? conflict.column("serial_number").doNothing()
          : conflict.column("serial_number").doUpdateSet({ revoked_at: revokedAt }),
      )
      .execute();
  };
  return {
    find: async (serialNumber) => {
      const row = await store.db
        .selectFrom("known_certificate")
        .select("revoked_at")
        .where("serial_number", "=", serialNumber)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      return row.revoked_at === null ? "good" : "revoked";
    },
    remember: (certificate, now) => save(certificate, now, null),
    markRevoked: (certificate, now) => save(certificate, now, now),
  };
}
