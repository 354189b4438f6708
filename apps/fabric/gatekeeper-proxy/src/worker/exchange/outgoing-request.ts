import { removeHeader } from "@drawbridge/policies";
import { isFieldValue, isToken } from "../request/field-kind.ts";
import { forwardedNames } from "../request/read-fields.ts";
import type { Arrival } from "./request-context.ts";

/** The field lines that a replica gets; what the gateway says of the client takes the place of what the client said. */
export function fieldLinesOf(arrival: Arrival, requestId: string): string {
  const { fields, host, hasForwarded } = arrival.fields;
  if (hasForwarded) for (const name of forwardedNames) removeHeader(fields, name);
  return `${arrival.heads.linesOf(fields, host, arrival.forwardedLines)}x-request-id: ${requestId}\r\n`;
}

/**
 * What policies have written: a line end there would be another field, or another request.
 * @param sound fields that a parser has checked, in their order
 */
export function areSafeFields(fields: readonly string[], sound: readonly string[] = []): boolean {
  let known = 0;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? "";
    const value = fields[index + 1] ?? "";
    let at = known;
    while (at < sound.length && (sound[at] !== name || sound[at + 1] !== value)) at += 2;
    if (at < sound.length) known = at + 2;
    else if (!isToken(name) || !isFieldValue(value)) return false;
  }
  return true;
}

const repeatable = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Whether the work may be done twice (RFC 9110 9.2.2). */
export function isIdempotent(method: string): boolean {
  return repeatable.has(method);
}
