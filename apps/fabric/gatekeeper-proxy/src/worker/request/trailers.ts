/** Flat names and values as pairs. */
export function pairsOf(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) pairs.push([flat[index] ?? "", flat[index + 1] ?? ""]);
  return pairs;
}

const refused = new Set([
  "authorization",
  "connection",
  "cookie",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "proxy-connection",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
]);
const refusedPrefixes = ["content-", "x-forwarded-", "x-gateway-", "client_", "client-"];

/** A trailer must not become what routing, framing and identity rest on (RFC 9110 6.5.1). */
export function safeTrailers(flat: readonly string[]): string[] {
  return pairsOf(flat).flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    const isRefused = refused.has(lower) || refusedPrefixes.some((prefix) => lower.startsWith(prefix));
    return isRefused ? [] : [name, value];
  });
}
