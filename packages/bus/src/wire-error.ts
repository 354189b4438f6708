import { DrawbridgeError, errorKinds, isDrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { headers, type MsgHdrs } from "@nats-io/nats-core";

/** In the answer to a request that failed: the public half of a DrawbridgeError as JSON. */
const errorHeader = "Drawbridge-Error";

export function errorHeaders(error: unknown): MsgHdrs {
  const known = isDrawbridgeError(error)
    ? error
    : new DrawbridgeError({ kind: "internal", code: "INTERNAL", message: "something went wrong" });
  const { kind, code, message, details, retryAfterMs } = known;
  const result = headers();
  // Header values are one line of ASCII-safe text.
  result.set(errorHeader, encodeURIComponent(JSON.stringify({ kind, code, message, details, retryAfterMs })));
  return result;
}

/** The error that an answer carries, if it is one. */
export function errorFromHeaders(answer: MsgHdrs | undefined): DrawbridgeError | undefined {
  const text = answer?.get(errorHeader) ?? "";
  if (text === "") return undefined;
  try {
    // Written by errorHeaders of another process of ours; every field is checked below.
    const fields = JSON.parse(decodeURIComponent(text)) as Readonly<Record<string, unknown>>;
    return new DrawbridgeError({
      kind: isErrorKind(fields["kind"]) ? fields["kind"] : "internal",
      code: String(fields["code"]),
      message: String(fields["message"]),
      details: textFields(fields["details"]),
      ...(typeof fields["retryAfterMs"] === "number" ? { retryAfterMs: fields["retryAfterMs"] } : {}),
    });
  } catch (cause) {
    return new DrawbridgeError({ kind: "internal", code: "INTERNAL", message: "something went wrong", cause });
  }
}

function isErrorKind(value: unknown): value is ErrorKind {
  return errorKinds.some((kind) => kind === value);
}

function textFields(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, String(field)]));
}
