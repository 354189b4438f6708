import { z } from "zod";

/** Field name of RFC 9110 section 5.1, shorter than servers allow. */
const fieldName = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,128}$/;

/** Fields about the connection or the frame of a message (RFC 9110 sections 7.6.1 and 8.6, RFC 9112): the gateway's alone. */
const framing: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Fields that the gateway itself writes on the way to the upstream or to the client. */
const gatewayOwn: ReadonlySet<string> = new Set(["date", "forwarded", "via", "x-gateway-origin", "x-request-id"]);

/** Whether policies must leave this field alone. `name` in lower case; underscores count as hyphens, as servers read them. */
export function isReservedHeader(name: string): boolean {
  const canonical = name.replaceAll("_", "-");
  return framing.has(canonical) || gatewayOwn.has(canonical) || canonical.startsWith("x-forwarded-");
}

/** Name of a header that may be read. */
export function headerNameField(description: string): z.ZodString {
  return z.string().regex(fieldName, "must be the name of a header").meta({ description });
}

/** Name of a header that may be written or removed. */
export function ownHeaderNameField(description: string): z.ZodString {
  return headerNameField(description).refine(
    (name) => !isReservedHeader(name.toLowerCase()),
    "is about the connection, the frame of the message or the way it took; only the gateway itself writes it",
  );
}

/** Visible ASCII with spaces inside: nothing that ends a line or is cut off on the way. */
export function headerValueField(description: string): z.ZodString {
  return z
    .string()
    .max(4_096)
    .regex(/^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/, "must be visible ASCII, with spaces only inside")
    .meta({ description });
}
