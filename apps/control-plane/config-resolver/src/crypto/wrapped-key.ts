import { DrawbridgeError } from "@drawbridge/errors";
import {
  sealBytes,
  unsealBytes,
  type KeyEncryptionKey,
  type KeyEncryptionKeys,
  type SealOptions,
} from "@drawbridge/pki";

/** A key as it lies in the database, under the key encryption key named by `kekId`. */
export interface WrappedKey {
  readonly kekId: string;
  readonly wrappedKey: Uint8Array;
}

export const dataKeyBytes = 32;

/** @throws DrawbridgeError `CONFIGURATION_DAMAGED` (data_loss): changed, cut, or sealed for something else */
export function unseal(sealed: Uint8Array, options: SealOptions): Buffer {
  try {
    return unsealBytes(sealed, options);
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "data_loss",
      code: "CONFIGURATION_DAMAGED",
      message: "what is stored cannot be decrypted: restore the database from a backup, or deploy the app again",
      cause,
    });
  }
}

export function wrapKey(
  key: Uint8Array,
  options: { readonly kek: KeyEncryptionKey; readonly boundTo: string },
): WrappedKey {
  const { kek, boundTo } = options;
  return { kekId: kek.id, wrappedKey: sealBytes(key, { key: kek.bytes, boundTo }) };
}

/**
 * Take a wrapped key out.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition): wrapped under a key that is not given | `CONFIGURATION_DAMAGED`
 */
export function unwrapKey(
  { kekId, wrappedKey }: WrappedKey,
  options: { readonly keks: KeyEncryptionKeys; readonly boundTo: string },
): Buffer {
  return unseal(wrappedKey, { key: options.keks.byId(kekId).bytes, boundTo: options.boundTo });
}

/** The same key, wrapped under the current key encryption key. @throws as `unwrapKey` */
export function rewrapKey(
  wrapped: WrappedKey,
  options: { readonly keks: KeyEncryptionKeys; readonly boundTo: string },
): WrappedKey {
  return wrapKey(unwrapKey(wrapped, options), { kek: options.keks.current, boundTo: options.boundTo });
}
