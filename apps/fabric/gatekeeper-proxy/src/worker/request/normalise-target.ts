/** Where a request goes, in the one form that is matched, judged by policies and sent upstream. */
export interface Target {
  readonly path: string;
  /** With "?"; empty without one. Not changed. */
  readonly search: string;
  /** Of a target in absolute form (RFC 9112 3.2.2); must be the same as Host. */
  readonly authority: string | undefined;
}

/** Why a target was refused. */
export type TargetProblem =
  | "target too long"
  | "target form"
  | "target character"
  | "percent encoding"
  | "encoded separator"
  | "path parameter"
  | "path above root";

export interface TargetRules {
  readonly isTls: boolean;
  /** `;` in a path: servers disagree about whether it belongs to the segment. */
  readonly pathParameters: "refuse" | "pass";
}

export const maxTargetLength = 8_192;

/**
 * Make of a request target the path that every later reader takes the same way (RFC 3986 6.2.2): unreserved characters
 * decoded, other escapes in upper case, slashes merged, dot segments resolved. What hides a separator is refused.
 */
export function normaliseTarget(url: string, rules: TargetRules): Target | TargetProblem {
  if (url.length > maxTargetLength) return "target too long";
  let text = url;
  let authority: string | undefined;
  if (url.charCodeAt(0) !== slash) {
    const match = /^(https?):\/\/([^/?#]+)(.*)$/is.exec(url);
    if (match?.[1]?.toLowerCase() !== (rules.isTls ? "https" : "http")) return "target form";
    authority = match[2] ?? "";
    text = match[3] ?? "";
    if (text.charCodeAt(0) !== slash) text = `/${text}`;
  }
  let isNormal = true;
  let queryAt = text.length;
  let previous = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === hash || code === backslash) return "target character";
    if (code === question) {
      queryAt = index;
      break;
    }
    if (code === semicolon && rules.pathParameters === "refuse") return "path parameter";
    if (code === percent || (previous === slash && (code === slash || code === dot))) isNormal = false;
    previous = code;
  }
  for (let index = queryAt; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === hash) return "target character";
  }
  const path = queryAt === text.length ? text : text.slice(0, queryAt);
  const search = queryAt === text.length ? "" : text.slice(queryAt);
  if (isNormal) return { path, search, authority };
  const decoded = decodeUnreserved(path);
  if (decoded === "percent encoding" || decoded === "encoded separator") return decoded;
  const resolved = resolveSegments(decoded);
  return resolved === undefined ? "path above root" : { path: resolved, search, authority };
}

const slash = 0x2f;
const backslash = 0x5c;
const percent = 0x25;
const dot = 0x2e;
const hash = 0x23;
const question = 0x3f;
const semicolon = 0x3b;

function decodeUnreserved(path: string): string {
  let result = "";
  for (let index = 0; index < path.length; index += 1) {
    if (path.charCodeAt(index) !== percent) {
      result += path.charAt(index);
      continue;
    }
    const digits = path.slice(index + 1, index + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return "percent encoding";
    const code = Number.parseInt(digits, 16);
    // Bytes that no UTF-8 text has: some servers read %C0%AF as a slash.
    if (code === 0xc0 || code === 0xc1 || code > 0xf4) return "percent encoding";
    if (code < 0x20 || code === 0x7f || code === slash || code === backslash) return "encoded separator";
    const character = String.fromCharCode(code);
    result += /[A-Za-z0-9\-._~]/.test(character) ? character : `%${digits.toUpperCase()}`;
    index += 2;
  }
  return result;
}

/** RFC 3986 5.2.4, but leaving the root is a mistake or an attack. */
function resolveSegments(path: string): string | undefined {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === "..") {
      if (kept.pop() === undefined) return undefined;
      if (isLast) kept.push("");
    } else if (segment === "." || segment === "") {
      if (isLast) kept.push("");
    } else {
      kept.push(segment);
    }
  }
  return `/${kept.join("/")}`;
}
