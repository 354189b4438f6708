import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { Agent, request as httpsRequest } from "node:https";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { zstdCompressSync } from "node:zlib";
import { clientTlsOptions } from "@drawbridge/pki";
import type { TestCa } from "@drawbridge/testkit";

export const batchesPath = "/v1/analytics/batches";
const expectedServer = "/cp/analytics-ingest";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A gateway's connection. */
export interface Http2Client extends AsyncDisposable {
  readonly session: ClientHttp2Session;
  send(body: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export async function connectGateway(at: {
  readonly ca: Pick<TestCa, "trustBundle">;
  readonly port: number;
}): Promise<Http2Client> {
  const { trustBundle } = at.ca;
  const session = connectHttp2(`https://127.0.0.1:${at.port}`, {
    ...clientTlsOptions({ trustBundle }, { expectedServer, alpnProtocols: ["h2"] }),
  });
  session.on("error", () => undefined);
  await once(session, "connect");
  return {
    session,
    send: async (body, headers = {}) => {
      const stream = session.request({
        ":method": "POST",
        ":path": batchesPath,
        "content-type": "application/x-protobuf",
        "content-length": String(body.length),
        ...headers,
      });
      stream.end(body);
      return answerOf(stream);
    },
    [Symbol.asyncDispose]: async () => {
      session.destroy();
    },
  };
}

/** Of a request whose body somebody else sends. */
export async function answerOf(stream: ReturnType<ClientHttp2Session["request"]>): Promise<Answer> {
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders & { ":status": number }];
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: headers[":status"], headers, json: parsed(chunks) };
}

export async function sendHttp1(
  at: { readonly ca: Pick<TestCa, "trustBundle">; readonly port: number },
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { trustBundle } = at.ca;
  const tls = clientTlsOptions({ trustBundle }, { expectedServer, alpnProtocols: ["http/1.1"] });
  const request = httpsRequest({
    ...tls,
    host: "127.0.0.1",
    port: at.port,
    path: batchesPath,
    method: "POST",
    agent: new Agent({ keepAlive: false }),
    headers: { "content-type": "application/x-protobuf", ...headers },
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [
    AsyncIterable<Buffer> & { readonly statusCode: number; readonly headers: IncomingHttpHeaders },
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, json: parsed(chunks) };
}

/** A connection for HTTP/1.1 on which nothing is said yet. */
export function connectHttp1(at: { readonly ca: Pick<TestCa, "trustBundle">; readonly port: number }): TLSSocket {
  const tls = clientTlsOptions({ trustBundle: at.ca.trustBundle }, { expectedServer, alpnProtocols: ["http/1.1"] });
  return connectTls({ ...tls, host: "127.0.0.1", port: at.port });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export const packed = (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes);

function parsed(chunks: readonly Buffer[]): Readonly<Record<string, unknown>> {
  // Every answer of ours is an object.
  return JSON.parse(Buffer.concat(chunks).toString() || "{}") as Readonly<Record<string, unknown>>;
}
