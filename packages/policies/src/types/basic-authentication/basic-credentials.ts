export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const longestHeader = 2048;

/** RFC 7617: undefined for another scheme or no header, "malformed" for what is none though it says so. */
export function readBasicCredentials(value: string | undefined): BasicCredentials | "malformed" | undefined {
  if (value === undefined || !/^basic(?= |$)/i.test(value)) return undefined;
  if (value.length > longestHeader) return "malformed";
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(value) ?? [];
  if (encoded === undefined || encoded.length % 4 !== 0) return "malformed";
  try {
    const text = utf8.decode(Buffer.from(encoded, "base64"));
    const colon = text.indexOf(":");
    // Control characters are forbidden by the RFC in both halves.
    if (colon < 1 || /[\p{Cc}]/u.test(text)) return "malformed";
    return { username: text.slice(0, colon).normalize("NFC"), password: text.slice(colon + 1) };
  } catch {
    return "malformed";
  }
}
