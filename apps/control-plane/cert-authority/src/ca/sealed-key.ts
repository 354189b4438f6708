import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";

/** 32 bytes that CA private keys are stored under, and a name for them that tells nothing. */
export interface KeyEncryptionKey {
  /** First 16 hex digits of a SHA-256 over the key: says which key sealed what. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

const nonceBytes = 12;
const tagBytes = 16;

/** @throws DrawbridgeError `KEY_ENCRYPTION_KEY_INVALID` (failed_precondition) */
export function parseKeyEncryptionKey(base64url: string): KeyEncryptionKey {
  const bytes = Buffer.from(base64url, "base64url");
  if (!/^[A-Za-z0-9_-]{43}=?$/.test(base64url) || bytes.length !== 32) {
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

/** AES-256-GCM: nonce, tag, ciphertext. `keyId` is bound to it, so that a sealed key cannot be passed off as another. */
export function sealKey(
  privateKeyDer: Uint8Array,
  options: { readonly kek: KeyEncryptionKey; readonly keyId: string },
): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", options.kek.bytes, nonce).setAAD(Buffer.from(options.keyId));
  const ciphertext = Buffer.concat([cipher.update(privateKeyDer), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/**
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition): sealed with another key |
 * `CA_KEY_DAMAGED` (data_loss): the right key, and what is stored was changed
 */
export function openKey(options: {
  readonly kek: KeyEncryptionKey;
  readonly keyId: string;
  readonly sealed: Uint8Array;
  readonly sealKeyId: string;
}): Buffer {
  const { kek, sealed } = options;
  if (options.sealKeyId !== kek.id) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "KEY_ENCRYPTION_KEY_WRONG",
      message: `the CA keys are sealed with key encryption key ${options.sealKeyId}, and the one given is ${kek.id}: give the key that the bootstrap used`,
    });
  }
  try {
    const decipher = createDecipheriv("aes-256-gcm", kek.bytes, sealed.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(Buffer.from(options.keyId))
      .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "data_loss",
      code: "CA_KEY_DAMAGED",
      message: "a stored CA key cannot be opened with the right key encryption key: restore the database from a backup",
      cause,
    });
  }
}
