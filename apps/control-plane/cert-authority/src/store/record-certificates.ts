import { enqueueEvents, sql, type Store, type Transaction } from "@drawbridge/store";
import { eventScopeOf, type SignedCertificate } from "../domain/certificate.ts";
import type { RecordOutcome } from "../domain/issue-certificate.ts";
import type { NameLimit } from "../domain/name-limit.ts";
import { findLimited } from "./name-uses.ts";
import { findRevoked, lockNames, revokedOf } from "./revoked-names.ts";
import type { CertAuthorityDb } from "./schema.ts";

/**
 * Record a group of certificates and their events in one transaction: six statements, however many there are. What was
 * revoked since the request was decided is left out: nobody revokes between that look and the commit. So is what a name
 * gets above its limit (services have none). A request id that was used before keeps what it got then. The rows of the CAs are locked (FOR KEY SHARE) until the
 * commit, and whoever retires a CA locks its row FOR UPDATE first: so no certificate is recorded, and none handed out,
 * under a CA that is retired, however far behind this replica is.
 */
export async function recordCertificates(
  store: Pick<Store<CertAuthorityDb>, "transaction">,
  certificates: readonly SignedCertificate[],
  nameLimit: NameLimit | undefined,
): Promise<readonly RecordOutcome[]> {
  return store.transaction(async (tx) => {
    await lockNames(tx, "recording");
    const revoked = await findRevoked(tx, certificates);
    const allowed = certificates.filter((certificate) => !revokedOf(certificate, revoked));
    const limited = nameLimit ? await findLimited(tx, allowed, nameLimit) : new Map<SignedCertificate, number>();
    const inserted = await insertNew(
      tx,
      allowed.filter((certificate) => !limited.has(certificate)),
    );
    const recorded = certificates.filter(({ serialNumber }) => inserted.has(serialNumber));
    await enqueueEvents(
      tx,
      recorded.map((certificate) => ({
        type: "certs.certificate.issued.v1" as const,
        scope: eventScopeOf(certificate),
        occurredAt: certificate.issuedAt,
        traceparent: certificate.traceparent,
        payload: {
          serialNumber: certificate.serialNumber,
          spiffeId: certificate.spiffeId,
          notAfter: certificate.notAfter,
        },
      })),
    );
    const replayed = await readByRequestId(
      tx,
      allowed.filter(({ serialNumber }) => !inserted.has(serialNumber)).map(({ requestId }) => requestId),
    );
    return certificates.map((asked): RecordOutcome => {
      const { serialNumber, requestId } = asked;
      if (inserted.has(serialNumber)) return { outcome: "recorded" };
      const refusal = revokedOf(asked, revoked);
      if (refusal) return { outcome: "revoked", ...refusal };
      const certificate = replayed.get(requestId);
      if (certificate) return { outcome: "replayed", certificate };
      const waitMs = limited.get(asked);
      return waitMs === undefined ? { outcome: "issuer_retired" } : { outcome: "name_limited", waitMs };
    });
  });
}

/** Whether a request was answered with a certificate before. Index certificate_request_id. */
export async function isRecorded(store: Pick<Store<CertAuthorityDb>, "db">, requestId: string): Promise<boolean> {
  const { rows } = await sql`SELECT FROM certificate WHERE request_id = ${requestId}::uuid`.execute(store.db);
  return rows.length > 0;
}

async function insertNew(
  tx: Transaction<CertAuthorityDb>,
  rows: readonly SignedCertificate[],
): Promise<ReadonlySet<string>> {
  if (rows.length === 0) return new Set();
  // All certificates as one binary value: in an array each would travel as text, escaped and twice as long.
  const certificates = Buffer.concat(rows.map((row) => row.certificateDer));
  let end = 0;
  const offsets = rows.map((row) => (end += row.certificateDer.length) - row.certificateDer.length);
  const { rows: inserted } = await sql<{ serial_number: string }>`
    WITH issuer AS MATERIALIZED (
      SELECT id FROM ca_key
      WHERE id = ANY(${[...new Set(rows.map((row) => row.issuerId))]}::uuid[]) AND state IN ('active', 'old')
      ORDER BY id FOR KEY SHARE
    )
    INSERT INTO certificate (serial_number, request_id, issuer_id, spiffe_id, fabric_id, spki_sha256, certificate_der,
      not_before, not_after, issued_at)
    SELECT row.serial_number, row.request_id, issuer.id, row.spiffe_id, row.fabric_id, row.spki_sha256,
      substring(${certificates}::bytea FROM row.certificate_offset + 1 FOR row.certificate_length),
      row.not_before, row.not_after, row.issued_at
    FROM unnest(
      ${rows.map((row) => row.serialNumber)}::text[],
      ${rows.map((row) => row.requestId)}::uuid[],
      ${rows.map((row) => row.issuerId)}::uuid[],
      ${rows.map((row) => row.spiffeId)}::text[],
      ${rows.map((row) => row.fabricId ?? null)}::uuid[],
      ${rows.map((row) => row.spkiSha256)}::text[],
      ${offsets}::int[],
      ${rows.map((row) => row.certificateDer.length)}::int[],
      ${rows.map((row) => row.notBefore)}::timestamptz[],
      ${rows.map((row) => row.notAfter)}::timestamptz[],
      ${rows.map((row) => row.issuedAt)}::timestamptz[]
    ) AS row (serial_number, request_id, issuer_id, spiffe_id, fabric_id, spki_sha256, certificate_offset, certificate_length,
      not_before, not_after, issued_at)
    JOIN issuer ON issuer.id = row.issuer_id
    ON CONFLICT (request_id) DO NOTHING
    RETURNING serial_number
  `.execute(tx);
  return new Set(inserted.map((row) => row.serial_number));
}

async function readByRequestId(tx: Transaction<CertAuthorityDb>, requestIds: readonly string[]) {
  if (requestIds.length === 0) return new Map<string, never>();
  const rows = await tx
    .selectFrom("certificate")
    .select([
      "request_id",
      "serial_number",
      "issuer_id",
      "spiffe_id",
      "spki_sha256",
      "certificate_der",
      "not_before",
      "not_after",
    ])
    .where("request_id", "in", [...requestIds])
    .execute();
  return new Map(
    rows.map((row) => [
      row.request_id,
      {
        serialNumber: row.serial_number,
        issuerId: row.issuer_id,
        spiffeId: row.spiffe_id,
        spkiSha256: row.spki_sha256,
        certificateDer: row.certificate_der,
        notBefore: row.not_before,
        notAfter: row.not_after,
      },
    ]),
  );
}
