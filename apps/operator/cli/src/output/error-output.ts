import type { DrawbridgeError } from "@drawbridge/errors";
import { fieldErrorsOf } from "../api/problem.ts";
import { plainLines, plainText } from "./plain-text.ts";

/** Whether the command line asks for JSON. Asked before it is parsed, for what is wrong with it must be told in JSON too. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end === -1 ? args : args.slice(0, end);
  return options.some(
    (arg, at) =>
      arg === "--output=json" ||
      arg === "-ojson" ||
      (arg === "json" && (options[at - 1] === "-o" || options[at - 1] === "--output")),
  );
}

/** An error for people: what, why, how to fix it; each field at fault on a line of its own. */
export function errorText(error: DrawbridgeError): string {
  const fields = fieldErrorsOf(error).map(({ field, message }) => `\n  ${plainText(field)}: ${indented(message)}`);
  return `error: ${indented(error.message)}${fields.join("")}\n(${plainText(error.code)})\n`;
}

/** Further lines of a message cannot be taken for lines of ours. */
function indented(message: string): string {
  return plainLines(message).replaceAll("\n", "\n  ");
}

/** An error for scripts: one line of JSON. */
export function errorJson(error: DrawbridgeError): string {
  const errors = fieldErrorsOf(error);
  const details = Object.fromEntries(Object.entries(error.details).filter(([name]) => !name.startsWith("field:")));
  return `${JSON.stringify({
    code: error.code,
    kind: error.kind,
    message: error.message,
    ...(errors[0] ? { field: errors[0].field, errors } : {}),
    ...(Object.keys(details).length > 0 ? { details } : {}),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  })}\n`;
}
