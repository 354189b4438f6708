import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";

/** 32 bytes that wrap other keys, and a name for them that tells nothing. */
export interface KeyEncryptionKey {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** NIST SP 800-38D: 96-bit nonces, drawn at random; 128-bit tags. */
const nonceBytes = 12;
const tagBytes = 16;
export const keyBytes = 32;

/** @throws DrawbridgeError `KEY_ENCRYPTION_KEY_INVALID` (failed_precondition) */
export function parseKeyEncryptionKey(base64url: string): KeyEncryptionKey {
  const bytes = Buffer.from(base64url, "base64url");
  if (!/^[A-Za-z0-9_-]{43}=?$/.test(base64url) || bytes.byteLength !== keyBytes) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "KEY_ENCRYPTION_KEY_INVALID",
      message:
        "the key encryption key must be 32 random bytes, base64url (43 characters); make one with: openssl rand 32 | basenc --base64url",
    });
  }
  const id = createHash("sha256").update("drawbridge key encryption key id\0").update(bytes).digest("hex").slice(0, 16);
  return { id, bytes };
}

/** AES-256-GCM: nonce, tag, ciphertext. `boundTo` must be the same at opening, so that nothing passes for something else. */
export function seal(plain: Uint8Array, options: { readonly key: Uint8Array; readonly boundTo: string }): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", options.key, nonce).setAAD(Buffer.from(options.boundTo));
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** @throws DrawbridgeError `CONFIGURATION_DAMAGED` (data_loss): changed, cut, or sealed for something else */
export function unseal(sealed: Uint8Array, options: { readonly key: Uint8Array; readonly boundTo: string }): Buffer {
  try {
    const nonce = sealed.subarray(0, nonceBytes);
    const decipher = createDecipheriv("aes-256-gcm", options.key, nonce, { authTagLength: tagBytes })
      .setAAD(Buffer.from(options.boundTo))
      .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "data_loss",
      code: "CONFIGURATION_DAMAGED",
      message: "what is stored cannot be decrypted: restore the database from a backup, or deploy the app again",
      cause,
    });
  }
}

/**
 * Take a wrapped key out.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition): wrapped under another key | `CONFIGURATION_DAMAGED`
 */
export function unwrapKey(
  wrapped: { readonly kekId: string; readonly wrappedKey: Uint8Array },
  options: { readonly kek: KeyEncryptionKey; readonly boundTo: string },
): Buffer {
  const { kek, boundTo } = options;
  if (wrapped.kekId === kek.id) return unseal(wrapped.wrappedKey, { key: kek.bytes, boundTo });
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "KEY_ENCRYPTION_KEY_WRONG",
    message: `the database was written with key encryption key ${wrapped.kekId}, and the one given is ${kek.id}: give the key that it was written with`,
  });
}
