import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { DrawbridgeError } from "@drawbridge/errors";

/** An HTTP proxy that the fabric's owner configured: CONNECT is the only thing asked of it. */
export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** "user:password" for Proxy-Authorization; never logged. */
  readonly credentials?: string;
}

export interface DialTarget {
  readonly host: string;
  readonly port: number;
}

export interface DialOptions {
  readonly target: DialTarget;
  readonly proxy?: HttpProxy | undefined;
  readonly timeoutMs: number;
}

/** An answer to CONNECT has a status line and a few headers. */
const maxProxyAnswerBytes = 16 * 1024;

/**
 * Open a TCP connection to a host, through the proxy where one is configured. The caller owns the socket.
 * @throws DrawbridgeError (unavailable) `DIAL_NAME_NOT_FOUND` | `DIAL_REFUSED` | `DIAL_TIMEOUT` | `DIAL_FAILED` | `PROXY_REFUSED`
 */
export async function dial(options: DialOptions, signal: AbortSignal): Promise<Socket> {
  const { target, proxy, timeoutMs } = options;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const first = proxy ?? target;
  const socket = connectTcp({ host: first.host, port: first.port, noDelay: true });
  try {
    await once(socket, "connect", { signal: limit });
    if (proxy) await connectThrough(socket, { proxy, target }, limit);
    return socket;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw dialError(error, { first, isProxy: proxy !== undefined, timeoutMs });
  }
}

async function connectThrough(
  socket: Socket,
  { proxy, target }: { readonly proxy: HttpProxy; readonly target: DialTarget },
  signal: AbortSignal,
): Promise<void> {
  const authority = `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
  const login =
    proxy.credentials === undefined
      ? ""
      : `Proxy-Authorization: Basic ${Buffer.from(proxy.credentials).toString("base64")}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`);
  let answer = "";
  while (!answer.includes("\r\n\r\n")) {
    const [chunk] = await Promise.race([
      once(socket, "data", { signal }),
      once(socket, "end", { signal }).then(() => [undefined]),
    ]);
    if (!(chunk instanceof Buffer) || answer.length > maxProxyAnswerBytes)
      throw proxyRefused(proxy, authority, "no answer");
    answer += chunk.toString("latin1");
  }
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? "no HTTP status";
  if (status !== "200") throw proxyRefused(proxy, authority, status);
  // The server of a TLS connection says nothing before the client does, so nothing follows the proxy's answer.
  socket.pause();
}

function proxyRefused(proxy: HttpProxy, authority: string, status: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "PROXY_REFUSED",
    message: `the proxy ${proxy.host}:${proxy.port} does not connect to ${authority} (${status}): allow CONNECT to it there`,
    details: { status },
  });
}

function dialError(
  error: unknown,
  about: { readonly first: DialTarget; readonly isProxy: boolean; readonly timeoutMs: number },
): DrawbridgeError {
  if (error instanceof DrawbridgeError) return error;
  const { first, isProxy, timeoutMs } = about;
  const who = `${isProxy ? "the proxy " : ""}${first.host}:${first.port}`;
  const code = systemCodeOf(error);
  const unavailable = (ourCode: string, message: string): DrawbridgeError =>
    new DrawbridgeError({ kind: "unavailable", code: ourCode, message, cause: error });
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return unavailable("DIAL_NAME_NOT_FOUND", `the name ${first.host} cannot be resolved (${code}): check DNS`);
  }
  if (code === "ECONNREFUSED") {
    return unavailable("DIAL_REFUSED", `nothing listens at ${who}: check address and firewall`);
  }
  if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError")) {
    return unavailable(
      "DIAL_TIMEOUT",
      `no connection to ${who} within ${timeoutMs} ms: a firewall may drop the packets`,
    );
  }
  return unavailable("DIAL_FAILED", `no connection to ${who} (${code || "unknown reason"})`);
}

function systemCodeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
