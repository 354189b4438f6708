import { DrawbridgeError } from "@drawbridge/errors";
import { sealBytes, unsealBytes, type KeyEncryptionKeys } from "@drawbridge/pki";

/** A private key as it is stored, and the id of the key encryption key that it is under. */
export interface SealedKey {
  readonly sealed: Uint8Array;
  readonly sealKeyId: string;
}

/**
 * Under the current key encryption key, AES-256-GCM. `keyId` is bound to it, so that a sealed key cannot be passed off as
 * another.
 */
export function sealKey(
  privateKeyDer: Uint8Array,
  options: { readonly keks: KeyEncryptionKeys; readonly keyId: string },
): { readonly sealed: Buffer; readonly sealKeyId: string } {
  const { current } = options.keks;
  return {
    sealed: sealBytes(privateKeyDer, { key: current.bytes, boundTo: options.keyId }),
    sealKeyId: current.id,
  };
}

/**
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition): sealed with a key that is not given |
 * `CA_KEY_DAMAGED` (data_loss): the right key, and what is stored was changed
 */
export function openKey(options: SealedKey & { readonly keks: KeyEncryptionKeys; readonly keyId: string }): Buffer {
  const { bytes } = options.keks.byId(options.sealKeyId);
  try {
    return unsealBytes(options.sealed, { key: bytes, boundTo: options.keyId });
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "data_loss",
      code: "CA_KEY_DAMAGED",
      message: "a stored CA key cannot be opened with the right key encryption key: restore the database from a backup",
      cause,
    });
  }
}
