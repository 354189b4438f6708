import {
  createIssuingCertificate,
  createRootCertificate,
  generateKeyPair,
  type KeyPair,
  type KeyEncryptionKeys,
} from "@drawbridge/pki";
import type { IdSource } from "@drawbridge/lifecycle";
import type { Transaction } from "@drawbridge/store";
import { insertCaKey } from "../store/ca-key-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";

export interface MakeCaOptions {
  readonly keks: KeyEncryptionKeys;
  readonly trustDomain: string;
  readonly now: Date;
  readonly ids: IdSource;
  readonly state: "prepared" | "active";
}

/** A root whose private key is open; not kept longer than the transaction that needs it. */
export interface OpenedRoot {
  readonly id: string;
  readonly certificateDer: Uint8Array;
  readonly keyPair: KeyPair;
}

/** Make a root and store it. */
export async function makeRoot(tx: Transaction<CertAuthorityDb>, options: MakeCaOptions): Promise<OpenedRoot> {
  const { keks, trustDomain, now, state } = options;
  const id = options.ids.next();
  const keyPair = await generateKeyPair();
  const certificateDer = await createRootCertificate({ keyPair, trustDomain, now });
  await insertCaKey(tx, { id, kind: "root", state, issuerId: id, certificateDer, keyPair, keks, createdAt: now });
  return { id, certificateDer, keyPair };
}

/** Make an issuing CA under a root and store it; its id. */
export async function makeIssuing(
  tx: Transaction<CertAuthorityDb>,
  options: MakeCaOptions & { readonly root: OpenedRoot; readonly ttlSeconds: number },
): Promise<string> {
  const { keks, trustDomain, now, root, state, ttlSeconds } = options;
  const id = options.ids.next();
  const keyPair = await generateKeyPair();
  const certificateDer = await createIssuingCertificate({
    spkiDer: keyPair.spkiDer,
    root: { certificateDer: root.certificateDer, privateKey: root.keyPair.privateKey },
    trustDomain,
    now,
    ttlSeconds,
  });
  const common = { keks, createdAt: now };
  await insertCaKey(tx, { ...common, id, kind: "issuing", state, issuerId: root.id, certificateDer, keyPair });
  return id;
}
