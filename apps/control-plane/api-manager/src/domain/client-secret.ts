import { createHash, randomBytes } from "node:crypto";

/** 256 random bits, base64url: too many to guess, so that one hash without salt is enough. */
export function makeClientSecret(): { readonly secret: string; readonly sha256: Buffer } {
  const secret = randomBytes(32).toString("base64url");
  return { secret, sha256: createHash("sha256").update(secret).digest() };
}

/** 32 hex digits: goes into headers, URLs and file names as it is. */
export function makeClientId(): string {
  return randomBytes(16).toString("hex");
}
