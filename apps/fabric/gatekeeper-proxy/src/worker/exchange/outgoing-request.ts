import { removeHeader } from "@drawbridge/policies";
import { isFieldValue, isToken } from "../request/field-kind.ts";
import { forwardedNames } from "../request/read-fields.ts";
import type { Arrival } from "./request-context.ts";

/** The field lines that a replica gets; what the gateway says of the client takes the place of what the client said. */
export function fieldLinesOf(arrival: Arrival, requestId: string): string {
  const { fields, host, hasForwarded } = arrival.fields;
  if (hasForwarded) for (const name of forwardedNames) removeHeader(fields, name);
  let lines = `host: ${host}\r\n`;
  for (let index = 0; index + 1 < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return `${lines}${arrival.forwardedLines}x-forwarded-host: ${host}\r\nx-request-id: ${requestId}\r\n`;
}

/** What policies have written: a line end there would be another field, or another request. */
export function areSafeFields(fields: readonly string[]): boolean {
  for (let index = 0; index + 1 < fields.length; index += 2) {
    if (!isToken(fields[index] ?? "") || !isFieldValue(fields[index + 1] ?? "")) return false;
  }
  return true;
}

const repeatable = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Whether the work may be done twice (RFC 9110 9.2.2). */
export function isIdempotent(method: string): boolean {
  return repeatable.has(method);
}
