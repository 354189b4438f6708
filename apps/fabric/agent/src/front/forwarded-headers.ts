import type { IncomingMessage } from "node:http";

/** Meant for the next hop only (RFC 9110 7.6.1), and Expect, which was answered here. */
const hopByHop = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What a client says about earlier hops is not believed: the front is the first that we know. */
const replaced = new Set(["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);

const idempotentMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

type Incoming = Pick<IncomingMessage, "rawHeaders" | "headers" | "method">;

export function hasBody({ headers }: Pick<Incoming, "headers">): boolean {
  return headers["transfer-encoding"] !== undefined || !["0", undefined].includes(headers["content-length"]);
}

/** May the request be sent a second time though the first may have arrived (RFC 9110 9.2.2)? */
export function isReplayable(request: Incoming): boolean {
  return idempotentMethods.has(request.method ?? "") && !hasBody(request);
}

/** One Host and a path of our own: what every later reader of the request takes the same way. */
export function isRoutableRequest(request: Pick<IncomingMessage, "rawHeaders" | "url">): boolean {
  const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host");
  return hosts.length <= 1 && (request.url === "*" || request.url?.startsWith("/") === true);
}

/** Headers for the replica, flat as in `rawHeaders`: order, case and repetitions stay. */
export function requestHeaders(
  request: Incoming,
  options: { readonly remoteAddress: string; readonly upgrade?: string },
): string[] {
  const headers = withoutHopByHop(request, replaced);
  headers.push("X-Forwarded-For", options.remoteAddress, "X-Forwarded-Proto", "http");
  if (request.headers.host !== undefined) headers.push("X-Forwarded-Host", request.headers.host);
  if (options.upgrade !== undefined) headers.push("Connection", "Upgrade", "Upgrade", options.upgrade);
  else if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  else if (request.headers["content-length"] === undefined && !isReplayable(request))
    headers.push("Content-Length", "0");
  return headers;
}

/** Headers for the client, flat as in `rawHeaders`. */
export function responseHeaders(response: Pick<IncomingMessage, "rawHeaders" | "headers">): string[] {
  return withoutHopByHop(response, new Set());
}

function withoutHopByHop(
  message: Pick<IncomingMessage, "rawHeaders" | "headers">,
  alsoWithout: ReadonlySet<string>,
): string[] {
  const named = new Set((message.headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()));
  const kept: string[] = [];
  for (let index = 0; index + 1 < message.rawHeaders.length; index += 2) {
    const name = message.rawHeaders[index] ?? "";
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || alsoWithout.has(lower)) continue;
    // A client must not be able to strip what routing and framing rest on by naming it in Connection.
    if (named.has(lower) && lower !== "host" && lower !== "content-length") continue;
    kept.push(name, message.rawHeaders[index + 1] ?? "");
  }
  return kept;
}
