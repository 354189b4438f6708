import { hash, timingSafeEqual } from "node:crypto";
import type { ClientContract } from "../../contracts/contract-set.ts";

/** Compared with when there is no such client, so that the answer takes as long. */
const nobody = new Uint8Array(32);

/**
 * Until when `secret` is valid for that contract, in milliseconds since 1970 (infinity: until revoked), or undefined if it is
 * not. A secret is valid up to but not including the instant in its `notAfterMs`.
 */
export function verifySecret(contract: ClientContract | undefined, secret: string, nowMs: number): number | undefined {
  const digest = hash("sha256", secret, "buffer");
  if (contract === undefined) {
    timingSafeEqual(digest, nobody);
    return undefined;
  }
  let validUntilMs: number | undefined;
  for (const { sha256, notAfterMs = Number.POSITIVE_INFINITY } of contract.secrets) {
    const isEqual = sha256.length === digest.length && timingSafeEqual(digest, sha256);
    if (isEqual && nowMs < notAfterMs) validUntilMs = Math.max(validUntilMs ?? 0, notAfterMs);
  }
  return validUntilMs;
}
