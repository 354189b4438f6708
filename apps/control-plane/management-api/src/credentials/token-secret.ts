import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** 256 random bits in base64url, 43 characters. */
export function newTokenSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** What is stored of a secret. A plain hash is enough: the secret has 256 bits of entropy, nothing can be guessed. */
export function hashTokenSecret(secret: string): Buffer {
  return createHash("sha256").update(secret, "utf8").digest();
}

/** Compare in constant time. */
export function matchesTokenSecret(secret: string, stored: Uint8Array): boolean {
  const actual = hashTokenSecret(secret);
  return actual.length === stored.length && timingSafeEqual(actual, stored);
}
