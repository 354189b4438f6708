import { once } from "node:events";
import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { request as tlsRequest } from "node:https";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { connect as tlsConnect } from "node:tls";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Call {
  readonly identity: IdentitySnapshot;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

/** One request on a connection of its own, shown the caller's certificate; the server must be config-resolver. */
export async function open(call: Call) {
  const outgoing = tlsRequest({
    host: "127.0.0.1",
    port: call.port,
    method: call.method,
    path: call.path,
    headers: call.headers ?? {},
    agent: false,
    ...clientTlsOptions(call.identity, { expectedServer: "/cp/config-resolver", alpnProtocols: ["http/1.1"] }),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve).once("error", reject);
  });
  answered.catch(() => undefined); // whoever awaits it hears of it
  const sent =
    call.body === undefined
      ? Promise.resolve(void outgoing.end())
      : pipeline(call.body instanceof Uint8Array ? Readable.from([call.body]) : call.body, outgoing);
  return { answered, sent: sent.catch(() => undefined), outgoing };
}

export async function send(call: Call): Promise<Answer> {
  const { answered } = await open(call);
  const response = await answered;
  return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) };
}

/** The code of a problem document. */
export function codeOf({ body }: Answer): string {
  const problem: unknown = JSON.parse(body.toString("utf8"));
  return typeof problem === "object" && problem !== null && "code" in problem ? String(problem.code) : "";
}

/** Metrics of a process as text. */
export function metricsOf(opsPort: number): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: opsPort, path: "/metrics" }, (response) => {
      buffer(response).then((bytes) => resolve(bytes.toString("utf8")), reject);
    })
      .once("error", reject)
      .end();
  });
}

/** A connection that stays open after one request; `closed` resolves when the server ends it. */
export async function connect(
  call: Pick<Call, "identity" | "port" | "path">,
): Promise<{ readonly closed: Promise<unknown> }> {
  const socket = tlsConnect({
    host: "127.0.0.1",
    port: call.port,
    ...clientTlsOptions(call.identity, { expectedServer: "/cp/config-resolver", alpnProtocols: ["http/1.1"] }),
  });
  await once(socket, "secureConnect");
  const closed = once(
    socket.on("error", () => undefined),
    "close",
  );
  socket.write(`HEAD ${call.path} HTTP/1.1\r\nhost: config-resolver\r\n\r\n`);
  await once(socket, "data");
  socket.resume();
  return { closed };
}
