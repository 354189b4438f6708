import { DrawbridgeError } from "@drawbridge/errors";

/** Where the next page begins: certificates recorded before this position. */
export function encodePageToken(position: bigint): string {
  return Buffer.from(`p${position}`).toString("base64url");
}

/** @throws DrawbridgeError `PAGE_TOKEN_INVALID` (invalid_argument) */
export function decodePageToken(token: string): bigint | undefined {
  if (token === "") return undefined;
  const text = token.length <= 40 ? Buffer.from(token, "base64url").toString("latin1") : "";
  const digits = /^p(\d{1,19})$/.exec(text)?.[1];
  if (digits !== undefined) return BigInt(digits);
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "PAGE_TOKEN_INVALID",
    message: "the page token is not one that this service gave out",
  });
}
