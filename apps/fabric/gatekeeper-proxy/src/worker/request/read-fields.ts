import { fieldKind, isFieldValue, isToken, kindOf } from "./field-kind.ts";

/** The fields of a request as policies and replicas get them, and what was said about framing and the connection. */
export interface RequestFields {
  /** Flat: name, value. Without Host, framing and what is for one hop only. */
  readonly fields: string[];
  readonly host: string;
  /** -1 if the length is not told before (chunked), 0 for no body. */
  readonly bodyLength: number;
  readonly upgrade: string;
  /** 100-continue. */
  readonly expectsContinue: boolean;
  /** Of the hop before, joined; empty without one. */
  readonly forwardedFor: string;
  /** X-Forwarded-*, Forwarded are among the fields. */
  readonly hasForwarded: boolean;
  readonly requestId: string;
  readonly userAgent: string;
  /** `TE: trailers`. */
  readonly acceptsTrailers: boolean;
}

/** What the gateway says itself about the hop before. */
export const forwardedNames = [
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "forwarded",
];

/** Why the fields were refused. */
export type FieldsProblem =
  | "too many fields"
  | "host"
  | "content length"
  | "transfer encoding"
  | "expectation"
  | "two names for one field"
  | "field name"
  | "field value";

export const maxRequestFields = 100;

export interface FieldRules {
  /** HTTP/1.0 knows no Transfer-Encoding: two readers would see different bodies. */
  readonly isOld: boolean;
}

/** What routing, framing and identity rest on: a client must not strip it by naming it in Connection (RFC 9110 7.6.1). */
const protectedNames = new Set([
  "host",
  "content-length",
  "content-type",
  "authorization",
  "cookie",
  "client_id",
  "client_secret",
  "client-id",
  "client-secret",
  "forwarded",
  "via",
  "x-request-id",
  "x-real-ip",
]);

const isProtected = (lower: string): boolean => protectedNames.has(lower) || lower.startsWith("x-forwarded-");

/** Names that CGI-like servers cannot tell apart: `x_y` and `x-y` are both HTTP_X_Y there. */
const twinNames = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "authorization",
  "client-id",
  "client-secret",
  "x-request-id",
  "forwarded",
  "via",
]);

/** Read fields as the HTTP parser gives them: names are tokens and values hold no line ends already. */
export function readFields(raw: readonly string[], rules: FieldRules): RequestFields | FieldsProblem {
  if (raw.length > 2 * maxRequestFields) return "too many fields";
  const fields: string[] = [];
  let host: string | undefined;
  let contentLength: string | undefined;
  let codings = 0;
  let connection: string | undefined;
  let upgrade = "";
  let expectsContinue = false;
  let forwardedFor = "";
  let hasForwarded = false;
  let requestId = "";
  let userAgent = "";
  let acceptsTrailers = false;
  let underscored: string[] | undefined;

  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    switch (kindOf(name)) {
      case fieldKind.other:
      case fieldKind.contentType:
        if (name.includes("_")) (underscored ??= []).push(name);
        fields.push(name, value);
        break;
      case fieldKind.via:
        fields.push(name, value);
        break;
      case fieldKind.userAgent:
        userAgent = value;
        fields.push(name, value);
        break;
      case fieldKind.host:
        if (host !== undefined) return "host";
        host = value;
        break;
      case fieldKind.contentLength:
        if (contentLength !== undefined || !/^\d{1,15}$/.test(value)) return "content length";
        contentLength = value;
        break;
      case fieldKind.transferEncoding:
        if (rules.isOld || codings > 0 || value.toLowerCase() !== "chunked") return "transfer encoding";
        codings += 1;
        break;
      case fieldKind.connection:
        connection = connection === undefined ? value : `${connection},${value}`;
        break;
      case fieldKind.upgrade:
        upgrade = upgrade === "" ? value : `${upgrade}, ${value}`;
        break;
      case fieldKind.expect:
        if (value.toLowerCase() !== "100-continue") return "expectation";
        expectsContinue = true;
        break;
      case fieldKind.forwardedFor:
        forwardedFor = forwardedFor === "" ? value : `${forwardedFor}, ${value}`;
        hasForwarded = true;
        fields.push(name, value);
        break;
      case fieldKind.forwardedOther:
        if (!forwardedNames.includes(name.toLowerCase())) break; // X-Forwarded-User and the like: nobody vouches for it
        hasForwarded = true;
        fields.push(name, value);
        break;
      case fieldKind.requestId:
        requestId = value;
        break;
      case fieldKind.te:
        acceptsTrailers = acceptsTrailers || /(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(value);
        break;
      default: // for one hop only, or only for the gateway to say
    }
  }
  if (codings > 0 && contentLength !== undefined) return "transfer encoding";
  if (host === undefined || !isAuthority(host)) return "host";
  if (underscored !== undefined && hasTwin(raw, underscored)) return "two names for one field";
  const kept = connection === undefined ? fields : withoutNamed(fields, connection);
  return {
    fields: kept,
    host,
    bodyLength: codings > 0 ? -1 : Number(contentLength ?? 0),
    upgrade: upgrade !== "" && names(connection ?? "").includes("upgrade") ? upgrade : "",
    expectsContinue,
    forwardedFor,
    hasForwarded,
    requestId,
    userAgent,
    acceptsTrailers,
  };
}

/** The same for fields of HTTP/2, whose parser allows more: what would be two lines in HTTP/1.1 is refused. */
export function checkFields(raw: readonly string[]): FieldsProblem | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (!isToken(raw[index] ?? "")) return "field name";
    if (!isFieldValue(raw[index + 1] ?? "")) return "field value";
  }
  return undefined;
}

/** Name or address, and a port; no user information, space or comma (RFC 9110 4.2.4). */
export function isAuthority(text: string): boolean {
  return text.length <= 260 && /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text);
}

const names = (list: string): string[] =>
  list
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());

function withoutNamed(fields: string[], connection: string): string[] {
  const lower = connection.toLowerCase();
  if (lower === "keep-alive" || lower === "close") return fields;
  const named = new Set(names(connection).filter((name) => !isProtected(name)));
  const kept: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? "";
    if (!named.has(name.toLowerCase())) kept.push(name, fields[index + 1] ?? "");
  }
  return kept;
}

/** @param underscored names that hold an underscore */
function hasTwin(raw: readonly string[], underscored: readonly string[]): boolean {
  for (const name of underscored) {
    const dashed = dashedOf(name);
    // client_id is a name of its own; the others are only ever written with dashes.
    if (dashed.startsWith("client-")) {
      if (twinNames.has(dashed) && hasName(raw, dashed)) return true;
    } else if (twinNames.has(dashed) || dashed.startsWith("x-forwarded-")) return true;
  }
  return false;
}

function dashedOf(name: string): string {
  if (name === "client_id") return "client-id";
  if (name === "client_secret") return "client-secret";
  return name.toLowerCase().replaceAll("_", "-");
}

function hasName(raw: readonly string[], lower: string): boolean {
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (name.length === lower.length && name.toLowerCase() === lower) return true;
  }
  return false;
}
