import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";

export interface Server extends AsyncDisposable {
  readonly port: number;
  readonly requests: IncomingMessage[];
}

/** Over TLS with a pair. */
export async function startServer(
  listener: RequestListener,
  pair?: { readonly certificatePem: string; readonly privateKeyPem: string },
): Promise<Server> {
  const requests: IncomingMessage[] = [];
  const hear: RequestListener = (incoming, response) => {
    requests.push(incoming);
    listener(incoming, response);
  };
  const server = pair
    ? createTlsServer({ cert: pair.certificatePem, key: pair.privateKeyPem }, hear)
    : createServer(hear);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
