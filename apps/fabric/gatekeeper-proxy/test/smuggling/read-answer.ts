import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { Client } from "undici";
import type { OpenConnection } from "../../src/worker/upstream/pooled-connection.ts";
import type { OutgoingRequest } from "../../src/worker/upstream/upstream.ts";

/** What a reader makes of the bytes of an answer: a message, or nothing that it would stand for. */
export type ReadAnswer =
  | { readonly read: "message"; readonly status: number; readonly fields: readonly string[]; readonly body: string }
  | { readonly read: "refused"; readonly why: string };

/** A replica that answers everything with the same bytes and ends the connection. */
export interface AnswerServer extends AsyncDisposable {
  readonly port: number;
  answer: string;
}

export async function startAnswerServer(): Promise<AnswerServer> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(Buffer.from(self.answer, "latin1")));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const self = {
    port: (server.address() as AddressInfo).port, // a TCP server
    answer: "",
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
  return self;
}

const timeouts = { connectMs: 0, responseMs: 0, idleMs: 0 };

/** As a client of the gateway reads it. */
export function readByConnection(open: OpenConnection, port: number, method: string): Promise<ReadAnswer> {
  return new Promise((resolve) => {
    const connection = open(
      { replicaId: "r", address: "127.0.0.1", port },
      { onIdle: (idle) => idle.close(), onClosed: () => undefined },
      { nowMs: 0 },
    );
    const request: OutgoingRequest = {
      method,
      target: "/",
      authority: "a",
      fieldLines: "host: a\r\n",
      bodyLength: 0,
      connection: "fresh",
    };
    let status = 0;
    let fields: readonly string[] = [];
    let body = "";
    connection.begin(
      request,
      {
        onConnected: () => undefined,
        onInformational: () => undefined,
        onHead: (head) => {
          status = head.status;
          fields = linesOf(head.headers);
        },
        onBody: (bytes) => {
          body += bytes.toString("latin1");
          return true;
        },
        onEnd: () => resolve({ read: "message", status, fields, body }),
        onFailure: (failure, detail) => resolve({ read: "refused", why: `${failure}: ${detail}` }),
        onDrain: () => undefined,
      },
      timeouts,
    );
  });
}

/** As undici reads it, with no rule of ours. */
export async function readByUndici(port: number, method: string): Promise<ReadAnswer> {
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 1, allowH2: false, maxHeaderSize: 32 * 1024 });
  let status = 0;
  let fields: readonly string[] = [];
  let body = "";
  const answer = await new Promise<ReadAnswer>((resolve) => {
    client.dispatch(
      { method, path: "/" },
      {
        onRequestStart: () => undefined,
        onResponseStart: ({ rawHeaders }, statusCode) => {
          status = statusCode;
          const raw = Array.isArray(rawHeaders) ? rawHeaders : [];
          fields = endToEnd(raw.map((item) => (typeof item === "string" ? item : item.toString("latin1"))));
        },
        onResponseData: (_controller, bytes) => void (body += bytes.toString("latin1")),
        onResponseEnd: () => resolve({ read: "message", status, fields, body }),
        onResponseError: (_controller, error) => resolve({ read: "refused", why: error.message }),
      },
    );
  });
  await client.destroy();
  return answer;
}

const oneHop = new Set([
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What a gateway may pass on (RFC 9110 7.6.1), written down a second time. */
function endToEnd(raw: readonly string[]): string[] {
  const lines = linesOf(raw);
  const named = new Set(
    lines
      .filter((line) => line.startsWith("connection: "))
      .flatMap((line) => line.slice("connection: ".length).split(","))
      .map((name) => name.trim().toLowerCase()),
  );
  return lines.filter((line) => {
    const name = line.slice(0, line.indexOf(":"));
    return !oneHop.has(name) && !named.has(name) && !name.startsWith("x-gateway-");
  });
}

function linesOf(flat: readonly string[]): string[] {
  return flat.flatMap((name, index) =>
    index % 2 === 0 ? [`${name.toLowerCase()}: ${(flat[index + 1] ?? "").replace(/^[ \t]+|[ \t]+$/g, "")}`] : [],
  );
}
