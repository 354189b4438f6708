/** What the gateway itself must know of a header field; everything else is `other` and passed on. */
export const fieldKind = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  expect: 6,
  /** For one hop only (RFC 9110 7.6.1). */
  hopByHop: 7,
  /** Said by the hop before: believed only from trusted addresses. */
  forwardedFor: 8,
  forwardedOther: 9,
  requestId: 10,
  /** What only the gateway says. */
  gateway: 11,
  keepAlive: 12,
  contentType: 13,
  te: 14,
  userAgent: 15,
  via: 16,
} as const;

/** One of `fieldKind`; a plain number, so that a switch may leave out kinds. */
export type FieldKind = number;

/** Of two names of one length. Without a copy in lower case: most names come with capitals. */
function is(name: string, lower: string): boolean {
  for (let index = 0; index < lower.length; index += 1) {
    const code = name.charCodeAt(index);
    const wanted = lower.charCodeAt(index);
    if (code !== wanted && ((code | 0x20) !== wanted || wanted < 0x61 || wanted > 0x7a)) return false;
  }
  return true;
}

/** By length first: nearly every name is decided by one comparison of integers. */
export function kindOf(name: string): FieldKind {
  switch (name.length) {
    case 2:
      return is(name, "te") ? fieldKind.te : fieldKind.other;
    case 3:
      return is(name, "via") ? fieldKind.via : fieldKind.other;
    case 4:
      return is(name, "host") ? fieldKind.host : fieldKind.other;
    case 6:
      return is(name, "expect") ? fieldKind.expect : fieldKind.other;
    case 7:
      if (is(name, "upgrade")) return fieldKind.upgrade;
      return is(name, "trailer") ? fieldKind.hopByHop : fieldKind.other;
    case 9:
      return is(name, "forwarded") ? fieldKind.forwardedOther : fieldKind.other;
    case 10:
      if (is(name, "user-agent")) return fieldKind.userAgent;
      if (is(name, "connection")) return fieldKind.connection;
      return is(name, "keep-alive") ? fieldKind.keepAlive : gatewayOrOther(name); // as short as its prefix
    case 12:
      if (is(name, "content-type")) return fieldKind.contentType;
      return is(name, "x-request-id") ? fieldKind.requestId : gatewayOrOther(name);
    case 14:
      if (is(name, "content-length")) return fieldKind.contentLength;
      return is(name, "http2-settings") ? fieldKind.hopByHop : gatewayOrOther(name);
    case 15:
      return is(name, "x-forwarded-for") ? fieldKind.forwardedFor : gatewayOrOther(name);
    case 16:
      if (is(name, "proxy-connection")) return fieldKind.hopByHop;
      if (is(name, "x-forwarded-host") || is(name, "x-forwarded-port")) return fieldKind.forwardedOther;
      return gatewayOrOther(name);
    case 17:
      if (is(name, "transfer-encoding")) return fieldKind.transferEncoding;
      return is(name, "x-forwarded-proto") ? fieldKind.forwardedOther : gatewayOrOther(name);
    case 18:
      return is(name, "proxy-authenticate") ? fieldKind.hopByHop : gatewayOrOther(name);
    case 19:
      return is(name, "proxy-authorization") ? fieldKind.hopByHop : gatewayOrOther(name);
    default:
      return gatewayOrOther(name);
  }
}

function gatewayOrOther(name: string): FieldKind {
  const isX = (name.charCodeAt(0) | 0x20) === 0x78 && name.charCodeAt(1) === 0x2d;
  if (!isX) return fieldKind.other;
  const lower = name.toLowerCase();
  if (lower.startsWith("x-gateway-")) return fieldKind.gateway;
  return lower.startsWith("x-forwarded-") ? fieldKind.forwardedOther : fieldKind.other;
}

/** 1 for the characters of a token (RFC 9110 5.6.2). */
export const isTokenCode = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  isTokenCode[character.charCodeAt(0)] = 1;
}

/** 1 for what a field value may hold: HTAB, SP, VCHAR, obs-text (RFC 9110 5.5). */
export const isValueCode = new Uint8Array(256);
isValueCode[9] = 1;
for (let code = 32; code < 256; code += 1) if (code !== 127) isValueCode[code] = 1;

export function isToken(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) if (isTokenCode[text.charCodeAt(index)] !== 1) return false;
  return text.length > 0;
}

const notInValue = /[^\t\x20-\x7e\x80-\xff]/;

export function isFieldValue(text: string): boolean {
  return !notInValue.test(text);
}
