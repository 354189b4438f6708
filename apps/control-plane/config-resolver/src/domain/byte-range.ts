/** What of a file a request wants. `end` is the last byte, as in Content-Range. */
export type ByteRange =
  | { readonly outcome: "whole" }
  | { readonly outcome: "part"; readonly start: number; readonly end: number }
  | { readonly outcome: "unsatisfiable" };

const singleRange = /^bytes=(?<first>\d{0,15})-(?<last>\d{0,15})$/;
const whole: ByteRange = { outcome: "whole" };

/**
 * Read Range and If-Range (RFC 9110 13.1.5, 14.2). One range is served; several, or one that cannot be read, give the whole
 * file, as the RFC allows. A range counts only if If-Range is absent or names exactly this entity tag: dates and weak tags never match.
 */
export function chooseByteRange(request: {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly etag: string;
  readonly sizeBytes: number;
}): ByteRange {
  const { range, ifRange, etag, sizeBytes } = request;
  const groups = range === undefined ? undefined : singleRange.exec(range.trim())?.groups;
  if (groups === undefined) return whole;
  if (ifRange !== undefined && ifRange.trim() !== etag) return whole;
  const { first = "", last = "" } = groups;
  if (first === "" && last === "") return whole;
  if (first === "") {
    const suffixBytes = Number(last);
    if (suffixBytes === 0 || sizeBytes === 0) return { outcome: "unsatisfiable" };
    return { outcome: "part", start: Math.max(0, sizeBytes - suffixBytes), end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== "" && Number(last) < start) return whole; // not a valid range: ignored
  return start >= sizeBytes ? { outcome: "unsatisfiable" } : { outcome: "part", start, end };
}

/** Does If-None-Match name this entity tag? Weak comparison, as the RFC wants for it (RFC 9110 13.1.2). */
export function matchesNone(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = new Set(ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, "")));
  return tags.has(etag) || tags.has("*");
}
