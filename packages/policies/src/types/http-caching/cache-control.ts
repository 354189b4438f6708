import type { ResponseHead } from "../../pipeline/exchange.ts";

/** Directives by lower-case name; the value without quotes, undefined without one. Of a directive that is there twice both. */
export type CacheDirectives = ReadonlyMap<string, readonly (string | undefined)[]>;

const directive = /\s*([!#$%&'*+.^_`|~\w-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?\s*(?:,|$)/y;

/** RFC 9111, section 5.2. @returns undefined if it cannot be read: nothing may then be concluded from it */
export function readCacheControl(value: string | undefined): CacheDirectives | undefined {
  const directives = new Map<string, (string | undefined)[]>();
  // Empty members of a list are ignored (RFC 9110, section 5.6.1).
  const text = (value ?? "").replace(/^[\s,]+|[\s,]+$/g, "");
  directive.lastIndex = 0;
  while (directive.lastIndex < text.length) {
    const start = directive.lastIndex;
    const [, name = "", quoted, plain] = directive.exec(text) ?? [];
    if (name === "" || directive.lastIndex <= start) return undefined;
    const known = directives.get(name.toLowerCase()) ?? [];
    known.push(quoted ?? plain);
    directives.set(name.toLowerCase(), known);
  }
  return directives;
}

/** The seconds of a directive; the smallest if it is there twice, 0 if one cannot be read (section 4.2.1). */
export function secondsOf(directives: CacheDirectives, name: string): number | undefined {
  const values = directives.get(name);
  return (
    values && Math.min(...values.map((value) => (value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : 0)))
  );
}

/** Milliseconds since 1970 of an HTTP date, or undefined. */
export function readHttpDate(value: string | undefined): number | undefined {
  if (value === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(value))
    return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

export interface Freshness {
  /** How long it is fresh, counted from its generation. */
  readonly lifetimeMs: number;
  /** How old it was when it arrived. */
  readonly ageMs: number;
}

/** Sections 4.2.1 and 4.2.3, without heuristics: what says nothing about its life has `defaultTtlMs`. */
export function freshnessOf(
  response: ResponseHead,
  directives: CacheDirectives,
  { requestedAtMs, nowMs, defaultTtlMs }: { requestedAtMs: number; nowMs: number; defaultTtlMs: number },
): Freshness {
  const date = readHttpDate(response.header("date"));
  const stated = response.header("age");
  const statedAgeMs =
    stated === undefined ? 0 : /^\d{1,10}$/.test(stated) ? Number(stated) * 1000 : Number.POSITIVE_INFINITY;
  const apparentAgeMs = date === undefined ? 0 : Math.max(0, nowMs - date);
  const ageMs = Math.max(apparentAgeMs, statedAgeMs + Math.max(0, nowMs - requestedAtMs));
  const seconds = secondsOf(directives, "s-maxage") ?? secondsOf(directives, "max-age");
  if (seconds !== undefined) return { lifetimeMs: seconds * 1000, ageMs };
  const expires = response.header("expires");
  // A date that cannot be read, "0" above all, is in the past (section 5.3).
  if (expires !== undefined) return { lifetimeMs: (readHttpDate(expires) ?? 0) - (date ?? nowMs), ageMs };
  return { lifetimeMs: defaultTtlMs, ageMs };
}
