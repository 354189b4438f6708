import { sql, type Kysely } from "@drawbridge/store";
import { stateOf, type CertificateRecord } from "../domain/certificate.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** What the authority knows of certificates. */
export function selectRecords(db: Kysely<CertAuthorityDb>) {
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
      "certificate.renew_at",
      "revocation.revoked_at",
      "revocation.reason",
    ]);
}

type RecordRow = Awaited<ReturnType<ReturnType<typeof selectRecords>["execute"]>>[number];

export function recordFromRow(row: RecordRow): CertificateRecord {
  return {
    serialNumber: row.serial_number,
    spiffeId: row.spiffe_id,
    fabricId: row.fabric_id ?? undefined,
    spkiSha256: row.spki_sha256,
    fingerprintSha256: row.fingerprint_sha256,
    issuerId: row.issuer_id,
    issuedAt: row.issued_at,
    activatedAt: row.activated_at ?? undefined,
    renewAt: row.renew_at ?? undefined,
    notBefore: row.not_before,
    notAfter: row.not_after,
    state: stateOf({ activatedAt: row.activated_at, revokedAt: row.revoked_at, reason: row.reason }),
  };
}
