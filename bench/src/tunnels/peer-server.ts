// The peers: bare servers on the same kind of listener, without a line of ours. argv: kind of server, folder with tls.key,
// tls.crt, roots.pem. Says its port over IPC.
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import type { PeerKind } from "./agent-protocol.ts";

const kind = (process.argv[2] ?? "grpc") as PeerKind; // from measure-peer.ts
const directory = process.argv[3] ?? "";
const read = (name: string): Buffer => readFileSync(join(directory, name));

/** What each server does with a connection whose handshake is over. */
const servers: Readonly<Record<PeerKind, () => (socket: TLSSocket) => void>> = { tls: bareTls, http2: bareHttp2, grpc };

/** Echoes bytes. */
function bareTls(): (socket: TLSSocket) => void {
  return (socket) => void socket.on("data", (bytes: Buffer) => socket.write(bytes));
}

/** One stream per connection that echoes bytes. */
function bareHttp2(): (socket: TLSSocket) => void {
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => undefined);
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.on("data", (bytes: Buffer) => stream.write(bytes));
  });
  return (socket) => void server.emit("connection", socket);
}

/** One bidirectional call per connection that echoes messages. */
function grpc(): (socket: TLSSocket) => void {
  const same = (value: Buffer): Buffer => value;
  const definition = {
    echo: {
      path: "/drawbridge.bench.Peer/Echo",
      requestStream: true,
      responseStream: true,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  } as const;
  const server = new Server({ "grpc.keepalive_time_ms": 20_000, "grpc.keepalive_timeout_ms": 10_000 });
  server.addService(definition, {
    echo: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
      call.on("error", () => undefined);
    },
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return (socket) => injector.injectConnection(socket);
}

const serve = servers[kind]();
const listener = createServer(
  {
    key: read("tls.key"),
    cert: read("tls.crt"),
    ca: read("roots.pem"),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    secureOptions: constants.SSL_OP_NO_TICKET,
  },
  (socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  },
);
listener.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (listener.address() as AddressInfo).port }); // TCP, so never a path
});
process.on("disconnect", () => process.exit(0));
