import { createHash } from "node:crypto";

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The request id that makes a write safe to repeat: the caller's Idempotency-Key where it is a UUID; for any other text a
 * UUIDv8 (RFC 9562 5.8) made from the key, the user and the route, so that the same text from somebody else, or for
 * something else, is another request.
 */
export function requestIdFromKey(key: string, context: { readonly username: string; readonly route: string }): string {
  if (uuidPattern.test(key)) return key.toLowerCase();
  const hash = createHash("sha256").update(
    JSON.stringify(["drawbridge.request.v1", context.username, context.route, key]),
  );
  const hex = hash.digest("hex");
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
