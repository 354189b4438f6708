import { createHmac, randomBytes } from "node:crypto";
import type { ArtefactDigest } from "../domain/artefact-digest.ts";
import { keyBytes, seal, unseal, unwrapKey, type KeyEncryptionKey } from "./key-encryption-key.ts";

/** A configuration as it lies in the database. */
export interface SealedConfiguration {
  readonly ciphertext: Uint8Array;
  readonly wrappedKey: Uint8Array;
  readonly kekId: string;
}

/**
 * Envelope encryption: the document under a data key of its own, the data key under the key encryption key, both bound to the
 * document's digest, so that rows cannot be exchanged for one another.
 */
export function sealConfiguration(
  plain: Uint8Array,
  digest: ArtefactDigest,
  kek: KeyEncryptionKey,
): SealedConfiguration {
  const dataKey = randomBytes(keyBytes);
  return {
    ciphertext: seal(plain, { key: dataKey, boundTo: `configuration ${digest}` }),
    wrappedKey: seal(dataKey, { key: kek.bytes, boundTo: `configuration key ${digest}` }),
    kekId: kek.id,
  };
}

/** @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition) | `CONFIGURATION_DAMAGED` (data_loss) */
export function openConfiguration(sealed: SealedConfiguration, digest: ArtefactDigest, kek: KeyEncryptionKey): Buffer {
  const dataKey = unwrapKey(sealed, { kek, boundTo: `configuration key ${digest}` });
  return unseal(sealed.ciphertext, { key: dataKey, boundTo: `configuration ${digest}` });
}

/**
 * The name of a document: HMAC-SHA-256 under a key that never leaves this service. Anybody can compute a plain hash of a guessed
 * password and compare; this one only we can.
 */
export function configurationDigest(digestKey: Uint8Array, org: string, plain: Uint8Array): ArtefactDigest {
  const hmac = createHmac("sha256", digestKey)
    .update(`${Buffer.byteLength(org)}:${org}\n`)
    .update(plain);
  return `sha256:${hmac.digest("hex")}`;
}
