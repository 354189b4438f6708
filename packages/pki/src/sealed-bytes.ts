import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** NIST SP 800-38D: 96-bit nonces, drawn at random; 128-bit tags. */
const nonceBytes = 12;
const tagBytes = 16;

export interface SealOptions {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Must be the same at opening, so that nothing passes for something else. */
  readonly boundTo: string;
}

/** AES-256-GCM: nonce, tag, ciphertext. */
export function sealBytes(plain: Uint8Array, { key, boundTo }: SealOptions): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(boundTo));
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** What was sealed. Throws an error of the runtime if it was changed, cut, or sealed with another key or for something else. */
export function unsealBytes(sealed: Uint8Array, { key, boundTo }: SealOptions): Buffer {
  const nonce = sealed.subarray(0, nonceBytes);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(boundTo))
    .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
}
