/**
 * Reading a compact JWS (RFC 7515, section 7.1) that came from anywhere. Nothing here throws: a text that is not a token
 * is an answer, not an error.
 */
export interface CompactJws {
  readonly algorithm: string;
  readonly keyId: string | undefined;
  /** Header parameter `typ`, lower case and without "application/" (RFC 7515, section 4.1.9). */
  readonly type: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What the signature is over. */
  readonly signingInput: Buffer;
  readonly signature: Buffer;
}

/** Longer than any bearer token that fits in a request head of 16 KB. */
export const longestTokenBytes = 16_384;

/** @returns undefined unless `token` is three parts of canonical base64url holding a JSON object each and a signature. */
export function readCompactJws(token: string): CompactJws | undefined {
  if (token.length > longestTokenBytes) return undefined;
  const firstDot = token.indexOf(".");
  const secondDot = token.indexOf(".", firstDot + 1);
  if (firstDot <= 0 || secondDot <= firstDot + 1 || secondDot === token.length - 1) return undefined;
  const header = readJsonObject(token.slice(0, firstDot));
  if (!header || typeof header["alg"] !== "string") return undefined;
  // A critical extension that is not understood refuses the token (RFC 7515, section 4.1.11); we understand none.
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) return undefined;
  const keyId = header["kid"];
  const type = header["typ"];
  if (keyId !== undefined && typeof keyId !== "string") return undefined;
  if (type !== undefined && typeof type !== "string") return undefined;
  const claims = readJsonObject(token.slice(firstDot + 1, secondDot));
  const signature = decodeBase64Url(token.slice(secondDot + 1));
  if (!claims || !signature) return undefined;
  return {
    algorithm: header["alg"],
    keyId,
    type: type === undefined ? undefined : normalType(type),
    claims,
    signingInput: Buffer.from(token.slice(0, secondDot), "latin1"),
    signature,
  };
}

/** Media types of tokens are compared without case and without the prefix that may be left out. */
export function normalType(type: string): string {
  const lower = type.toLowerCase();
  return lower.startsWith("application/") ? lower.slice("application/".length) : lower;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readJsonObject(part: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64Url(part);
  if (!bytes) return undefined;
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    // `as` holds: an object that is neither null nor an array is a record.
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Exactly the canonical encoding: no padding, no other alphabet, no stray bits; so a token has one spelling. */
export function decodeBase64Url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.length > 0 && bytes.toString("base64url") === text ? bytes : undefined;
}
