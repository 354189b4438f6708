import { importPrivateKeyDer, type KeyEncryptionKeys, type SigningCa } from "@drawbridge/pki";
import { sql, type Store } from "@drawbridge/store";
import { openKey } from "../ca/sealed-key.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** An issuing CA with its key opened, to sign its revocation list; undefined if it has none (any more). */
export async function findCrlIssuer(
  store: Pick<Store<CertAuthorityDb>, "db">,
  { id, keks }: { readonly id: string; readonly keks: KeyEncryptionKeys },
): Promise<SigningCa | undefined> {
  const { rows } = await sql<{
    certificate_der: Buffer;
    sealed_private_key: Buffer | null;
    seal_key_id: string;
  }>`
    SELECT certificate_der, sealed_private_key, seal_key_id FROM ca_key WHERE id = ${id}::uuid AND kind = 'issuing'
  `.execute(store.db);
  const [row] = rows;
  if (!row || row.sealed_private_key === null) return undefined;
  const privateKeyDer = openKey({ keks, keyId: id, sealed: row.sealed_private_key, sealKeyId: row.seal_key_id });
  return { certificateDer: row.certificate_der, privateKey: importPrivateKeyDer(privateKeyDer).privateKey };
}
