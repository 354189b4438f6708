import { fieldKind, isTokenCode, isValueCode, kindOf } from "../request/field-kind.ts";

/** How the end of a response body is known (RFC 9112 6.3). */
export type Framing = "none" | "length" | "chunked" | "close";

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Flat: name, value. Without what is for one hop only, without framing, without what only the gateway may say. */
  readonly headers: string[];
  readonly framing: Framing;
  /** As the replica said it: also where there is no body (HEAD, 304); -1 if it said nothing. */
  readonly contentLength: number;
  readonly mayKeepAlive: boolean;
  /** From `Keep-Alive: timeout=`; -1 without one. */
  readonly idleHintMs: number;
  readonly isEventStream: boolean;
  /** Protocol of a 101. */
  readonly upgrade: string;
}

/** Why a head was refused; for logs and tests, never for clients. */
export type MalformedHead =
  | "status line"
  | "field name"
  | "field value"
  | "line folding"
  | "too many fields"
  | "content length"
  | "transfer encoding"
  | "length and transfer encoding"
  | "body not allowed"
  | "upgrade not asked for";

export const maxResponseFields = 256;

export interface HeadContext {
  readonly isHeadRequest: boolean;
  readonly isUpgradeRequest: boolean;
}

/**
 * Read a response head strictly (RFC 9112): what two readers could understand differently is refused, not mended.
 * @param text Latin-1, from the first byte up to and including the line end before the empty line.
 */
export function parseResponseHead(text: string, context: HeadContext): ResponseHead | MalformedHead {
  const lineEnd = text.indexOf("\r\n");
  if (!isStatusLine(text, lineEnd)) return "status line";
  const isOld = text.charCodeAt(7) === 0x30;
  const status = Number(text.slice(9, 12));

  const headers: string[] = [];
  let contentLength = -1;
  let codings = 0;
  let mayKeepAlive = !isOld;
  let idleHintMs = -1;
  let isEventStream = false;
  let upgrade = "";
  let connectionNames: string[] | undefined;

  let at = lineEnd + 2;
  for (let fields = 0; at < text.length; fields += 1) {
    if (fields === maxResponseFields) return "too many fields";
    const nameStart = at;
    while (isTokenCode[text.charCodeAt(at)] === 1) at += 1;
    if (at === nameStart) return startsFold(text, at) ? "line folding" : "field name";
    if (text.charCodeAt(at) !== 0x3a) return "field name";
    const name = text.slice(nameStart, at);
    at += 1;
    while (isBlank(text.charCodeAt(at))) at += 1;
    const valueStart = at;
    while (isValueCode[text.charCodeAt(at)] === 1) at += 1;
    if (text.charCodeAt(at) !== 0x0d || text.charCodeAt(at + 1) !== 0x0a) return "field value";
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    const value = text.slice(valueStart, valueEnd);
    at += 2;

    switch (kindOf(name)) {
      case fieldKind.contentLength: {
        const length = decimal(value);
        if (length < 0 || (contentLength >= 0 && contentLength !== length)) return "content length";
        contentLength = length;
        break;
      }
      case fieldKind.transferEncoding:
        // With a tab behind it, common parsers take it for another coding and read on until the connection ends.
        if (isBlank(text.charCodeAt(at - 3))) return "transfer encoding";
        if (isOld || value.toLowerCase() !== "chunked" || codings > 0) return "transfer encoding";
        codings += 1;
        break;
      case fieldKind.connection: {
        const lower = value.toLowerCase();
        if (lower === "close") mayKeepAlive = false;
        else if (lower === "keep-alive") mayKeepAlive = true;
        else {
          connectionNames = lower.split(",").map((item) => item.trim());
          if (connectionNames.includes("close")) mayKeepAlive = false;
        }
        break;
      }
      case fieldKind.keepAlive:
        idleHintMs = keepAliveHint(value);
        break;
      case fieldKind.upgrade:
        upgrade = value;
        break;
      case fieldKind.hopByHop:
      case fieldKind.te:
      case fieldKind.gateway:
        break;
      case fieldKind.contentType:
        isEventStream = value.length >= 17 && value.slice(0, 17).toLowerCase() === "text/event-stream";
        headers.push(name, value);
        break;
      default:
        headers.push(name, value);
    }
  }

  if (codings > 0 && contentLength >= 0) return "length and transfer encoding";
  if (status < 200 || status === 204) {
    if (codings > 0 || contentLength > 0) return "body not allowed";
    contentLength = -1;
  }
  if (status === 101 && (!context.isUpgradeRequest || upgrade === "")) return "upgrade not asked for";
  const framing = framingOf({ status, codings, contentLength, isHeadRequest: context.isHeadRequest });
  return {
    status,
    reason: text.slice(13, lineEnd),
    headers: connectionNames === undefined ? headers : withoutNamed(headers, connectionNames),
    framing,
    contentLength,
    mayKeepAlive: mayKeepAlive && framing !== "close",
    idleHintMs,
    isEventStream,
    upgrade,
  };
}

function framingOf(head: { status: number; codings: number; contentLength: number; isHeadRequest: boolean }): Framing {
  if (head.isHeadRequest || head.status < 200 || head.status === 204 || head.status === 304) return "none";
  if (head.codings > 0) return "chunked";
  if (head.contentLength >= 0) return head.contentLength === 0 ? "none" : "length";
  return "close";
}

/** `HTTP/1.x SP 3DIGIT SP reason` (RFC 9112 4). */
function isStatusLine(text: string, lineEnd: number): boolean {
  if (lineEnd < 13 || !text.startsWith("HTTP/1.") || text.charCodeAt(8) !== 0x20 || text.charCodeAt(12) !== 0x20) {
    return false;
  }
  const minor = text.charCodeAt(7);
  const first = text.charCodeAt(9);
  if ((minor !== 0x30 && minor !== 0x31) || first < 0x31 || first > 0x35) return false;
  if (!isDigit(text.charCodeAt(10)) || !isDigit(text.charCodeAt(11))) return false;
  for (let index = 13; index < lineEnd; index += 1) if (isValueCode[text.charCodeAt(index)] !== 1) return false;
  return true;
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
const startsFold = (text: string, at: number): boolean => isBlank(text.charCodeAt(at));

/** Only digits, at most 15 of them, so that it is exact; otherwise -1. */
export function decimal(text: string): number {
  if (text.length === 0 || text.length > 15) return -1;
  let value = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (!isDigit(code)) return -1;
    value = value * 10 + (code - 0x30);
  }
  return value;
}

function keepAliveHint(value: string): number {
  const seconds = /(?:^|[,\s])timeout=(\d{1,6})(?:$|[,\s])/i.exec(value)?.[1];
  return seconds === undefined ? -1 : Number(seconds) * 1000;
}

function withoutNamed(headers: readonly string[], names: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (!names.includes(name.toLowerCase())) kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}
