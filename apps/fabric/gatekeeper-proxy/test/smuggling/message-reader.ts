/** A message as bytes say it, read as strictly as RFC 9112 allows. */
export interface ReadMessage {
  readonly startLine: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  /** What another reader might understand differently. */
  readonly doubts: readonly string[];
}

/** complete: `rest` follows. partial: more bytes are needed. broken: no reader could go on. */
export type ReadResult =
  | { readonly state: "complete"; readonly message: ReadMessage; readonly rest: string }
  | { readonly state: "partial" }
  | { readonly state: "broken"; readonly why: string };

/**
 * An HTTP/1.1 reader of its own, so that the gateway is not judged by code that it shares: simple, strict, slow.
 * @param bodyless the message has no body whatever its fields say (answers to HEAD, 1xx, 204, 304)
 */
export function readMessage(text: string, isBodyless: (startLine: string) => boolean = () => false): ReadResult {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return { state: "partial" };
  const [startLine = "", ...lines] = text.slice(0, headEnd).split("\r\n");
  const doubts: string[] = [];
  if (/[\r\n\0]/.test(text.slice(0, headEnd).replaceAll("\r\n", ""))) doubts.push("bare line end or NUL in the head");
  const fields: [string, string][] = [];
  for (const line of lines) {
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/s.exec(line);
    if (match === null) doubts.push(`no field: ${JSON.stringify(line)}`);
    else fields.push([(match[1] ?? "").toLowerCase(), match[2] ?? ""]);
  }
  const valuesOf = (name: string): string[] => fields.flatMap(([field, value]) => (field === name ? [value] : []));
  const lengths = valuesOf("content-length");
  const codings = valuesOf("transfer-encoding");
  if (lengths.length > 1) doubts.push("more than one content-length");
  if (codings.length > 1) doubts.push("more than one transfer-encoding");
  if (lengths.length > 0 && codings.length > 0) doubts.push("content-length and transfer-encoding");
  if (lengths.some((length) => !/^\d+$/.test(length))) doubts.push("content-length is no number");
  if (codings.some((coding) => coding !== "chunked")) doubts.push("transfer-encoding is not chunked");
  const after = text.slice(headEnd + 4);
  const complete = (body: string, rest: string): ReadResult => ({
    state: "complete",
    message: { startLine, fields, body, doubts },
    rest,
  });
  if (isBodyless(startLine)) return complete("", after);
  if (codings.length > 0) {
    const read = readChunks(after);
    return "body" in read ? complete(read.body, read.rest) : read;
  }
  const length = Number(lengths[0] ?? 0);
  return after.length < length ? { state: "partial" } : complete(after.slice(0, length), after.slice(length));
}

function readChunks(
  text: string,
): { body: string; rest: string } | { state: "partial" } | { state: "broken"; why: string } {
  let body = "";
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return { state: "partial" };
    const size = text.slice(at, lineEnd);
    if (!/^[0-9A-Fa-f]{1,8}$/.test(size)) return { state: "broken", why: `chunk size ${JSON.stringify(size)}` };
    const length = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (length === 0) {
      const end = text.startsWith("\r\n", at) ? at : text.indexOf("\r\n\r\n", at);
      if (end < 0) return { state: "partial" };
      return { body, rest: text.slice(end === at ? at + 2 : end + 4) };
    }
    if (text.length < at + length + 2) return { state: "partial" };
    body += text.slice(at, at + length);
    if (text.slice(at + length, at + length + 2) !== "\r\n")
      return { state: "broken", why: "no line end behind a chunk" };
    at += length + 2;
  }
}
