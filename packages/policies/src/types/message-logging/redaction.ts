/** Where a value was taken out. */
export const redacted = "[redacted]";

/** Headers whose value is a secret or names a person's session, whatever the operator asks for. */
const secretHeaders = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "set-cookie2",
  "client_secret",
  "x-client-secret",
  "x-api-key",
  "x-csrf-token",
  "x-xsrf-token",
  "x-amz-security-token",
  "x-forwarded-client-cert",
]);

/** Names that give a secret away; separators are left out before comparing. */
const secretName =
  /secret|password|passwd|pwd|token|apikey|accesskey|privatekey|credential|assertion|signature|session|authorization|^(code|pin|otp|sid|sig|auth|jwt|cvv|cvc)$/;

/** Decides by name alone: looking at values would miss the next kind of secret. */
export function createRedaction(further: readonly string[]): (name: string) => boolean {
  const named = new Set(further.map((name) => name.toLowerCase()));
  return (name) => {
    const lower = name.toLowerCase();
    return named.has(lower) || secretHeaders.has(lower) || secretName.test(lower.replace(/[^a-z0-9]/g, ""));
  };
}

const longestText = 2048;

/** One line, of bearable length. */
export function shorten(text: string): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]/gu, "\ufffd");
  return line.length <= longestText ? line : `${line.slice(0, longestText)}...`;
}

/** A query or form with the values of secret parameters taken out. */
export function redactForm(text: string, isSecret: (name: string) => boolean): string {
  return text
    .split("&")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const name = equals < 0 ? pair : pair.slice(0, equals);
      return equals >= 0 && isSecret(decoded(name)) ? `${name}=${redacted}` : pair;
    })
    .join("&");
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A body as it may be logged: JSON and forms with the values of secret names taken out, at every depth; of anything else, and
 * of what cannot be read, nothing.
 */
export function redactBody(
  bytes: Uint8Array,
  { contentType, isSecret }: { contentType: string | undefined; isSecret: (name: string) => boolean },
): string {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  try {
    if (type === "application/json" || type.endsWith("+json")) {
      const kept: unknown = JSON.parse(utf8.decode(bytes), (name, value: unknown) =>
        isSecret(name) ? redacted : value,
      );
      return JSON.stringify(kept);
    }
    if (type === "application/x-www-form-urlencoded") return redactForm(utf8.decode(bytes), isSecret);
    return "[not logged: neither JSON nor a form]";
  } catch {
    return "[not logged: cannot be read]";
  }
}
