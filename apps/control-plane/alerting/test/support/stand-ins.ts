import { createServer, type Server } from "node:net";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export interface Told {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver of webhooks on this machine. */
export async function startHook(): Promise<
  AsyncDisposable & { readonly url: string; readonly told: Told[]; status: number }
> {
  const server = createHttpServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      self.told.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
      response.writeHead(self.status, { location: "https://elsewhere.example/" }).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port
  const self = {
    url: `http://127.0.0.1:${port}/hook`,
    told: [] as Told[],
    status: 204,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return self;
}

/** A mail server on this machine that keeps what it gets: as much of RFC 5321 as one mail needs. */
export async function startMailServer(): Promise<AsyncDisposable & { readonly url: string; readonly mails: string[] }> {
  const mails: string[] = [];
  const server: Server = createServer((socket) => {
    let text = "";
    let isMail = false;
    socket.on("error", () => undefined);
    socket.write("220 mail.test\r\n");
    socket.on("data", (piece) => {
      text += piece.toString();
      for (
        let end = text.indexOf(isMail ? "\r\n.\r\n" : "\r\n");
        end !== -1;
        end = text.indexOf(isMail ? "\r\n.\r\n" : "\r\n")
      ) {
        const line = text.slice(0, end);
        text = text.slice(end + (isMail ? 5 : 2));
        if (isMail) mails.push(line);
        const wasMail = isMail;
        isMail = !wasMail && line === "DATA";
        socket.write(isMail ? "354 go on\r\n" : line.startsWith("QUIT") && !wasMail ? "221 bye\r\n" : "250 ok\r\n");
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port
  return { url: `smtp://127.0.0.1:${port}`, mails, [Symbol.asyncDispose]: async () => void server.close() };
}
