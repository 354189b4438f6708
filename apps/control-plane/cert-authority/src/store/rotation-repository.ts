import { sql, type Kysely, type Transaction } from "@drawbridge/store";
import type { RotationPhase } from "../domain/ca-key.ts";
import { supersededReason } from "../domain/revocation.ts";
import type { SuccessionLink } from "../domain/trust-succession.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** Begin a rotation; the row of the one before is replaced. */
export async function writeRotation(
  tx: Transaction<CertAuthorityDb>,
  rotation: {
    readonly oldRootId: string;
    readonly newRootId: string;
    readonly requestId: string;
    readonly requestedBy: string;
    readonly reason: string;
    readonly now: Date;
  },
): Promise<void> {
  const row = {
    phase: "init" as const,
    phase_since: rotation.now,
    old_root_id: rotation.oldRootId,
    new_root_id: rotation.newRootId,
    request_id: rotation.requestId,
    requested_by: rotation.requestedBy,
    reason: rotation.reason,
  };
  await tx
    .insertInto("rotation")
    .values(row)
    .onConflict((conflict) => conflict.column("only_one").doUpdateSet(row))
    .execute();
}

export async function setPhase(
  tx: Transaction<CertAuthorityDb>,
  change: { readonly phase: RotationPhase; readonly now: Date },
): Promise<void> {
  await tx.updateTable("rotation").set({ phase: change.phase, phase_since: change.now }).execute();
}

/** The request that began the last rotation. */
export async function lastRotationRequest(db: Kysely<CertAuthorityDb>): Promise<string | undefined> {
  const row = await db.selectFrom("rotation").select("request_id").executeTakeFirst();
  return row?.request_id;
}

export async function insertSuccession(tx: Transaction<CertAuthorityDb>, link: SuccessionLink): Promise<void> {
  await tx
    .insertInto("trust_succession")
    .values({
      sequence: String(link.sequence),
      signer_spki_sha256: link.signerPin,
      root_spki_sha256: [...link.rootPins],
      jws: link.jws,
    })
    .execute();
}

/** All links, oldest first: two per rotation. */
export async function readSuccession(db: Kysely<CertAuthorityDb>): Promise<readonly SuccessionLink[]> {
  const rows = await db.selectFrom("trust_succession").selectAll().orderBy("sequence").execute();
  return rows.map((row) => ({
    sequence: BigInt(row.sequence),
    signerPin: row.signer_spki_sha256,
    rootPins: row.root_spki_sha256,
    jws: row.jws,
  }));
}

/**
 * When the last certificate under a root ended or ends, by expiry or by revocation; undefined if there never was one.
 * Certificates that expired before `since` are not looked at. Index certificate_issuer.
 */
export async function lastLeafEndsAt(
  db: Kysely<CertAuthorityDb>,
  options: { readonly rootId: string; readonly since: Date },
): Promise<Date | undefined> {
  const { rows } = await sql<{ ends_at: Date | null }>`
    SELECT max(least(certificate.not_after, revocation.revoked_at)) AS ends_at
    FROM certificate JOIN ca_key ON ca_key.id = certificate.issuer_id
    LEFT JOIN revocation ON revocation.serial_number = certificate.serial_number
    WHERE ca_key.issuer_id = ${options.rootId}::uuid AND certificate.not_after > ${options.since}
  `.execute(db);
  return rows[0]?.ends_at ?? undefined;
}

/** Unexpired, unrevoked certificates by the id of the CA that issued them. Index certificate_issuer. */
export async function countLiveCertificates(
  db: Kysely<CertAuthorityDb>,
  now: Date,
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ issuer_id: string; live: string }>`
    SELECT certificate.issuer_id, count(*) AS live FROM certificate
    LEFT JOIN revocation ON revocation.serial_number = certificate.serial_number
    WHERE certificate.not_after > ${now} AND revocation.serial_number IS NULL
    GROUP BY certificate.issuer_id
  `.execute(db);
  return new Map(rows.map((row) => [row.issuer_id, Number(row.live)]));
}

/**
 * Those of these certificates that are a collector's and were revoked, by somebody, before `revokedBefore`, while an agent of
 * the fabric has a certificate that is used and not revoked: the collector's key leaked, and the agent is to get it
 * another. Of a fabric that was revoked as a whole there are none. Indexes certificate_serial_number, certificate_fabric.
 */
export async function revokedCollectors(
  db: Kysely<CertAuthorityDb>,
  options: { readonly serialNumbers: readonly string[]; readonly revokedBefore: Date },
): Promise<ReadonlySet<string>> {
  const { serialNumbers, revokedBefore } = options;
  if (serialNumbers.length === 0) return new Set();
  const { rows } = await sql<{ serial_number: string }>`
    SELECT collector.serial_number
    FROM revocation JOIN certificate AS collector ON collector.serial_number = revocation.serial_number
    WHERE revocation.serial_number = ANY(${[...serialNumbers]}::text[]) AND revocation.reason <> ${supersededReason}
      AND revocation.revoked_at < ${revokedBefore}::timestamptz AND collector.spiffe_id LIKE '%/collector'
      AND EXISTS (
        SELECT FROM certificate AS agent WHERE agent.fabric_id = collector.fabric_id
          AND agent.spiffe_id LIKE '%/agent/%' AND agent.activated_at IS NOT NULL AND agent.not_after > now()
          AND NOT EXISTS (SELECT FROM revocation WHERE revocation.serial_number = agent.serial_number)
      )
  `.execute(db);
  return new Set(rows.map((row) => row.serial_number));
}

/** The CA that issued each of these certificates; those that are not recorded are left out. */
export async function issuersOf(
  db: Kysely<CertAuthorityDb>,
  serialNumbers: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (serialNumbers.length === 0) return new Map();
  const rows = await db
    .selectFrom("certificate")
    .select(["serial_number", "issuer_id"])
    .where("serial_number", "in", [...serialNumbers])
    .execute();
  return new Map(rows.map((row) => [row.serial_number, row.issuer_id]));
}
