import { sql, type Kysely, type Transaction } from "@drawbridge/store";
import type { RotationPhase } from "../domain/ca-key.ts";
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
