import { createHmac, randomBytes } from "node:crypto";
import { sealBytes, type KeyEncryptionKeys } from "@drawbridge/pki";
import type { ArtefactDigest } from "../domain/artefact-digest.ts";
import { dataKeyBytes, rewrapKey, unseal, unwrapKey, wrapKey, type WrappedKey } from "./wrapped-key.ts";

/** A configuration as it lies in the database. */
export interface SealedConfiguration extends WrappedKey {
  readonly ciphertext: Uint8Array;
}

/**
 * Envelope encryption: the document under a data key of its own, the data key under the key encryption key, both bound to the
 * document's digest, so that rows cannot be exchanged for one another.
 */
export function sealConfiguration(
  plain: Uint8Array,
  digest: ArtefactDigest,
  keks: KeyEncryptionKeys,
): SealedConfiguration {
  const dataKey = randomBytes(dataKeyBytes);
  return {
    ciphertext: sealBytes(plain, { key: dataKey, boundTo: `configuration ${digest}` }),
    ...wrapKey(dataKey, { kek: keks.current, boundTo: keyBinding(digest) }),
  };
}

/** @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition) | `CONFIGURATION_DAMAGED` (data_loss) */
export function openConfiguration(
  sealed: SealedConfiguration,
  digest: ArtefactDigest,
  keks: KeyEncryptionKeys,
): Buffer {
  const dataKey = unwrapKey(sealed, { keks, boundTo: keyBinding(digest) });
  return unseal(sealed.ciphertext, { key: dataKey, boundTo: `configuration ${digest}` });
}

/** The data key of a configuration under the current key encryption key; the document itself stays as it is. @throws as opening does */
export function rewrapConfigurationKey(
  wrapped: WrappedKey,
  digest: ArtefactDigest,
  keks: KeyEncryptionKeys,
): WrappedKey {
  return rewrapKey(wrapped, { keks, boundTo: keyBinding(digest) });
}

function keyBinding(digest: ArtefactDigest): string {
  return `configuration key ${digest}`;
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
