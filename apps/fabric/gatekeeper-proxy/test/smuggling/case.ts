/** What a raw-socket upstream is to have seen of a request. */
export interface SeenRequest {
  readonly method?: string;
  readonly target?: string;
  readonly body?: string;
  /** By name in lower case; null: must not be there. */
  readonly fields?: Readonly<Record<string, string | null>>;
}

/** Bytes of a client, and what may come of them. */
export interface RequestCase {
  readonly kind: "request";
  readonly group: string;
  readonly name: string;
  /** Latin-1; written one after the other, each in a segment of its own. */
  readonly pieces: readonly string[];
  /** Status of each answer, in order. */
  readonly answers: readonly number[];
  /** Requests that the upstream sees; none: refused. */
  readonly seen: readonly SeenRequest[];
  /** The client leaves after its last byte. */
  readonly leaves?: boolean;
}

/** Bytes of a hostile upstream in answer to one request, and what may come of them. */
export interface ResponseCase {
  readonly kind: "response";
  readonly group: string;
  readonly name: string;
  readonly method: string;
  readonly pieces: readonly string[];
  /** The upstream closes its connection after them. */
  readonly closes?: boolean;
  /** What the client is told: a status, or that the answer breaks off. */
  readonly status: number | "broken";
  readonly body?: string;
  readonly fields?: Readonly<Record<string, string | null>>;
}

/** Frames of an HTTP/2 client. */
export interface Http2Case {
  readonly kind: "http2";
  readonly group: string;
  readonly name: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly trailers?: readonly (readonly [string, string])[];
  /** Status, or that stream or connection were reset. */
  readonly outcome: number | "reset";
  readonly seen: readonly SeenRequest[];
}

export type SmugglingCase = RequestCase | ResponseCase | Http2Case;

const crlf = "\r\n";

/** A head of these lines and a body. */
export function message(lines: readonly string[], body = ""): string {
  return `${lines.join(crlf)}${crlf}${crlf}${body}`;
}

export function get(target: string, ...fields: string[]): string {
  return message([`GET ${target} HTTP/1.1`, "Host: a.example", ...fields]);
}

export function post(fields: readonly string[], body: string): string {
  return message(["POST /x HTTP/1.1", "Host: a.example", ...fields], body);
}

export function chunked(body: string): string {
  return post(["Transfer-Encoding: chunked"], body);
}

/** One request of this text, in one piece. */
export function refused(group: string, name: string, text: string, status = 400): RequestCase {
  return { kind: "request", group, name, pieces: [text], answers: [status], seen: [] };
}

export function passed(group: string, name: string, text: string, ...seen: SeenRequest[]): RequestCase {
  return { kind: "request", group, name, pieces: [text], answers: seen.map(() => 200), seen };
}
