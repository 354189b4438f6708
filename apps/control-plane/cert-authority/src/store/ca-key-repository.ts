import type { SigningCa } from "@drawbridge/pki";
import { importPrivateKeyDer, parseCertificate, privateKeyToDer, type KeyPair } from "@drawbridge/pki";
import { sql, type Kysely, type Transaction } from "@drawbridge/store";
import { openKey, sealKey, type KeyEncryptionKey } from "../ca/sealed-key.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** A CA as it is stored, opened. */
export interface StoredCa extends SigningCa {
  readonly id: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** All that makes this authority; undefined before the bootstrap. */
export interface StoredAuthority {
  readonly trustDomain: string;
  readonly sequence: bigint;
  readonly root: Omit<StoredCa, "privateKey">;
  readonly issuing: StoredCa;
}

/**
 * Only the issuing CA's key is opened: the root's is needed for new issuing CAs alone.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition) | `CA_KEY_DAMAGED` (data_loss)
 */
export async function readAuthority(
  db: Kysely<CertAuthorityDb>,
  kek: KeyEncryptionKey,
): Promise<StoredAuthority | undefined> {
  const bundle = await db.selectFrom("trust_bundle").selectAll().executeTakeFirst();
  const keys = await db.selectFrom("ca_key").selectAll().limit(2).execute();
  const root = keys.find(({ kind }) => kind === "root");
  const issuing = keys.find(({ kind }) => kind === "issuing");
  if (!bundle || !root || !issuing) return undefined;
  const privateKeyDer = openKey({
    kek,
    keyId: issuing.id,
    sealed: issuing.sealed_private_key,
    sealKeyId: issuing.seal_key_id,
  });
  return {
    trustDomain: bundle.trust_domain,
    sequence: BigInt(bundle.sequence),
    root: { id: root.id, certificateDer: root.certificate_der, notBefore: root.not_before, notAfter: root.not_after },
    issuing: {
      id: issuing.id,
      certificateDer: issuing.certificate_der,
      notBefore: issuing.not_before,
      notAfter: issuing.not_after,
      privateKey: importPrivateKeyDer(privateKeyDer).privateKey,
    },
  };
}

/** Of two bootstraps the second waits here for the first, until the end of its transaction. */
export async function lockBootstrap(tx: Transaction<CertAuthorityDb>): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtextextended('drawbridge cert-authority bootstrap', 0))`.execute(tx);
}

export async function insertCaKey(
  tx: Transaction<CertAuthorityDb>,
  ca: {
    readonly id: string;
    readonly kind: "root" | "issuing";
    readonly certificateDer: Uint8Array;
    readonly keyPair: KeyPair;
    readonly kek: KeyEncryptionKey;
    readonly createdAt: Date;
  },
): Promise<void> {
  const certificate = parseCertificate(ca.certificateDer);
  await tx
    .insertInto("ca_key")
    .values({
      id: ca.id,
      kind: ca.kind,
      certificate_der: Buffer.from(ca.certificateDer),
      sealed_private_key: sealKey(privateKeyToDer(ca.keyPair), { kek: ca.kek, keyId: ca.id }),
      seal_key_id: ca.kek.id,
      not_before: certificate.validFromDate,
      not_after: certificate.validToDate,
      created_at: ca.createdAt,
    })
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
