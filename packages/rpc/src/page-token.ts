import { DrawbridgeError } from "@drawbridge/errors";

/** Where the next page begins, opaque to the caller. It holds names that the caller has just seen, nothing else. */
export function writePageToken(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** @throws DrawbridgeError `PAGE_TOKEN_INVALID` (invalid_argument) */
export function readPageToken(token: string, length: number): readonly string[] | undefined {
  if (token === "") return undefined;
  try {
    const parts: unknown = JSON.parse(Buffer.from(token.slice(0, 1_000), "base64url").toString());
    if (Array.isArray(parts) && parts.length === length && parts.every((part) => typeof part === "string"))
      return parts;
  } catch {
    // said below
  }
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "PAGE_TOKEN_INVALID",
    message: "the page token is not one that this service gave out",
  });
}

/** @throws DrawbridgeError `PAGE_SIZE_INVALID` (invalid_argument) */
export function pageSize(asked: number, fallback: number, atMost = 500): number {
  if (asked === 0) return fallback;
  if (asked >= 1 && asked <= atMost) return asked;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "PAGE_SIZE_INVALID",
    message: `page_size must be 1 to ${atMost}`,
  });
}
