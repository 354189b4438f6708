import {
  importPrivateKeyDer,
  parseCertificate,
  privateKeyToDer,
  spkiPin,
  type KeyEncryptionKeys,
  type KeyPair,
} from "@drawbridge/pki";
import { sql, type Kysely, type Transaction } from "@drawbridge/store";
import { openKey, sealKey } from "../ca/sealed-key.ts";
import { versionOf, type AuthorityState, type CaKey, type CaKeyState, type Rotation } from "../domain/ca-key.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** All that makes this authority, of one instant; undefined before the bootstrap. */
export async function readAuthorityState(db: Kysely<CertAuthorityDb>): Promise<AuthorityState | undefined> {
  // One statement, so that keys, bundle and phase are of one snapshot. Retired keys are kept for their names.
  const rows = await db
    .selectFrom("trust_bundle")
    .innerJoin("ca_key", (join) => join.onTrue())
    .leftJoin("rotation", (join) => join.onTrue())
    .select(["trust_bundle.trust_domain", "trust_bundle.sequence", "trust_bundle.version"])
    .select(["rotation.phase", "rotation.phase_since", "rotation.old_root_id", "rotation.new_root_id"])
    .select(["ca_key.id", "ca_key.kind", "ca_key.state", "ca_key.issuer_id", "ca_key.certificate_der"])
    .select(["ca_key.not_before", "ca_key.not_after", "ca_key.old_at", "ca_key.retired_at"])
    .orderBy("ca_key.created_at")
    .orderBy("ca_key.id")
    .execute();
  const [first] = rows;
  if (!first) return undefined;
  return {
    trustDomain: first.trust_domain,
    sequence: BigInt(first.sequence),
    version: BigInt(first.version),
    rotation: rotationFromRow(first),
    keys: rows.map((row): CaKey => {
      const certificate = parseCertificate(row.certificate_der);
      return {
        id: row.id,
        kind: row.kind,
        state: row.state,
        issuerId: row.issuer_id,
        serialNumber: certificate.serialNumber.toLowerCase(),
        spkiPin: spkiPin(certificate.publicKey.export({ format: "der", type: "spki" })),
        certificateDer: row.certificate_der,
        notBefore: row.not_before,
        notAfter: row.not_after,
        oldAt: row.old_at ?? undefined,
        retiredAt: row.retired_at ?? undefined,
      };
    }),
  };
}

/** Differs whenever `versionOf` the state would; undefined before the bootstrap. */
export async function readAuthorityVersion(db: Kysely<CertAuthorityDb>): Promise<string | undefined> {
  const row = await db.selectFrom("trust_bundle").select(["version", "sequence"]).executeTakeFirst();
  return row && versionOf({ version: BigInt(row.version), sequence: BigInt(row.sequence) });
}

/**
 * Open the private keys with these ids. Of a key that was destroyed meanwhile there is none in the answer.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition) | `CA_KEY_DAMAGED` (data_loss)
 */
export async function openCaKeys(
  db: Kysely<CertAuthorityDb>,
  ids: readonly string[],
  keks: KeyEncryptionKeys,
): Promise<ReadonlyMap<string, KeyPair>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("ca_key")
    .select(["id", "sealed_private_key", "seal_key_id"])
    .where("id", "in", [...ids])
    .execute();
  const opened = new Map<string, KeyPair>();
  for (const { id, sealed_private_key: sealed, seal_key_id: sealKeyId } of rows) {
    if (sealed) opened.set(id, importPrivateKeyDer(openKey({ keks, keyId: id, sealed, sealKeyId })));
  }
  return opened;
}

/** Of two that change the authority at once the second waits here for the first, until the end of its transaction. */
export async function lockAuthority(tx: Transaction<CertAuthorityDb>): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtextextended('drawbridge cert-authority bootstrap', 0))`.execute(tx);
}

export async function insertCaKey(
  tx: Transaction<CertAuthorityDb>,
  ca: {
    readonly id: string;
    readonly kind: "root" | "issuing";
    readonly state: "prepared" | "active";
    readonly issuerId: string;
    readonly certificateDer: Uint8Array;
    readonly keyPair: KeyPair;
    readonly keks: KeyEncryptionKeys;
    readonly createdAt: Date;
  },
): Promise<void> {
  const certificate = parseCertificate(ca.certificateDer);
  const { sealed, sealKeyId } = sealKey(privateKeyToDer(ca.keyPair), { keks: ca.keks, keyId: ca.id });
  await tx
    .insertInto("ca_key")
    .values({
      id: ca.id,
      kind: ca.kind,
      state: ca.state,
      issuer_id: ca.issuerId,
      certificate_der: Buffer.from(ca.certificateDer),
      sealed_private_key: sealed,
      seal_key_id: sealKeyId,
      not_before: certificate.validFromDate,
      not_after: certificate.validToDate,
      created_at: ca.createdAt,
      activated_at: ca.state === "active" ? ca.createdAt : null,
    })
    .execute();
}

/** Change what a key is used for. Retired is for ever: the private key is destroyed with it. */
export async function setCaKeyState(
  tx: Transaction<CertAuthorityDb>,
  id: string,
  change: { readonly state: CaKeyState; readonly now: Date },
): Promise<void> {
  const { state, now } = change;
  await tx
    .updateTable("ca_key")
    .set({
      state,
      ...(state === "active" ? { activated_at: now, old_at: null } : {}),
      ...(state === "old" ? { old_at: now } : {}),
      ...(state === "retired" ? { retired_at: now, sealed_private_key: null } : {}),
    })
    .where("id", "=", id)
    .where("state", "<>", "retired")
    .execute();
}

/** Wait until nobody is recording a certificate under these CAs; whoever comes later sees what this transaction does. */
export async function fenceCaKeys(tx: Transaction<CertAuthorityDb>, ids: readonly string[]): Promise<void> {
  await tx
    .selectFrom("ca_key")
    .select("id")
    .where("id", "in", [...ids])
    .orderBy("id")
    .forUpdate()
    .execute();
}

export async function insertTrustBundle(
  tx: Transaction<CertAuthorityDb>,
  bundle: { readonly trustDomain: string; readonly sequence: bigint },
): Promise<void> {
  await tx
    .insertInto("trust_bundle")
    .values({ trust_domain: bundle.trustDomain, sequence: String(bundle.sequence) })
    .execute();
}

/** Every change ends with this: replicas look at the version. */
export async function bumpVersion(
  tx: Transaction<CertAuthorityDb>,
  change: { readonly sequence?: bigint } = {},
): Promise<void> {
  await tx
    .updateTable("trust_bundle")
    .set((expression) => ({
      version: expression("version", "+", "1"),
      ...(change.sequence === undefined ? {} : { sequence: String(change.sequence) }),
    }))
    .execute();
}

function rotationFromRow(row: {
  readonly phase: Rotation["phase"] | null;
  readonly phase_since: Date | null;
  readonly old_root_id: string | null;
  readonly new_root_id: string | null;
}): Rotation {
  const { phase, phase_since: since, old_root_id: oldRootId, new_root_id: newRootId } = row;
  if (phase === null || since === null || oldRootId === null || newRootId === null) {
    return { phase: "standby", since: undefined };
  }
  return phase === "standby" ? { phase, since } : { phase, since, oldRootId, newRootId };
}
