// The peer: a bare grpc-js server on the same kind of listener, with one bidirectional stream per connection that echoes, and
// nothing of ours. argv: folder with tls.key, tls.crt, roots.pem. Says its port over IPC.
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";

const directory = process.argv[2] ?? "";
const read = (name: string): Buffer => readFileSync(join(directory, name));
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
    injector.injectConnection(socket);
  },
);
listener.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (listener.address() as AddressInfo).port }); // TCP, so never a path
});
process.on("disconnect", () => process.exit(0));
