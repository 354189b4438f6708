import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { freePort, createTestCa } from "@drawbridge/testkit";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";
import type { Replica } from "../src/workers/protocol.ts";

let worker: WorkerThread;
let tls: { certificateChainPem: string; privateKeyPem: string };
let apps = 0;

beforeAll(async () => {
  const identity = await (await createTestCa()).issueService("gateway");
  tls = { certificateChainPem: identity.certificateChainPem, privateKeyPem: identity.privateKeyPem };
  worker = await startWorker({ settings: { shedDelayMs: 60_000 } });
});

afterAll(() => worker[Symbol.asyncDispose]());

/** An app with this replica behind a port without TLS and one with. */
async function serve(
  replica: Omit<Replica, "replicaId" | "address">,
): Promise<{ port: number; securePort: number; appId: string }> {
  apps += 1;
  const appId = `app-${apps}`;
  const port = await freePort();
  const securePort = await freePort();
  const target = { kind: "app", appId } as const;
  await worker.apply(
    {
      change: "app_set",
      app: anApp({ appId, replicas: [{ replicaId: `r${apps}`, address: "127.0.0.1", ...replica }] }),
    },
    { change: "listener_set", listener: aListener(port, { target }) },
    { change: "listener_set", listener: aListener(securePort, { target, tls }) },
  );
  return { port, securePort, appId };
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("after 101 every byte passes in both directions, also what came with the heads (WebSocket)", async () => {
  const upstream = createServer();
  upstream.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\nfirst `,
    );
    socket.write(head);
    socket.pipe(socket);
  });
  const { port } = await serve({ port: await portOf(upstream) });
  const client = connect({ port, host: "127.0.0.1" });
  client.write("GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly ");
  let received = "";
  client.on("data", (bytes) => (received += bytes.toString()));
  await expect.poll(() => received).toContain("first early ");
  client.end("late");
  await once(client, "close");
  expect(received).toMatch(/^HTTP\/1\.1 101 .*\r\n/);
  expect(received.endsWith("first early late")).toBe(true);
  upstream.close();
});

test("HTTP/2 clients of a TLS listener reach a replica of HTTP/1.1, many at a time on one connection", async () => {
  const upstream = createServer((request, response) => {
    text(request).then(
      (body) => response.end(`${request.method} ${request.url} ${body}`),
      () => undefined,
    );
  });
  const { securePort } = await serve({ port: await portOf(upstream) });
  const session = connectHttp2(`https://127.0.0.1:${securePort}`, { rejectUnauthorized: false });
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const stream = session.request({ ":method": "POST", ":path": `/${index}` });
      stream.end("x".repeat(index * 1_000));
      return text(stream);
    }),
  );
  expect(answers).toEqual(answers.map((_, index) => `POST /${index} ${"x".repeat(index * 1_000)}`));
  session.close();
  upstream.closeAllConnections();
  upstream.close();
});

const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };
const method = (path: string, streams: boolean) => ({
  path,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});
const echoService = {
  echo: method("/test.Echo/Echo", false),
  chat: method("/test.Echo/Chat", true),
  fail: method("/test.Echo/Fail", false),
};

test("gRPC passes with its trailers: unary calls, streams in both directions, and errors", async () => {
  const server = new grpc.Server();
  server.addService(echoService, {
    echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => done(null, call.request),
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    },
    fail: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
      done({ code: grpc.status.FAILED_PRECONDITION, details: "not now" }),
  });
  const upstreamPort = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  const { securePort } = await serve({ port: upstreamPort, protocol: "h2c" });
  const EchoClient = grpc.makeGenericClientConstructor(echoService, "Echo");
  const credentials = grpc.credentials.createSsl(Buffer.from(tls.certificateChainPem), null, null, {
    checkServerIdentity: () => undefined,
    rejectUnauthorized: false,
  });
  const client = new EchoClient(`127.0.0.1:${securePort}`, credentials, {
    "grpc.ssl_target_name_override": "gateway.example",
    "grpc.default_authority": "gateway.example",
  });
  type Unary = (message: Buffer, done: (error: grpc.ServiceError | null, answer?: Buffer) => void) => void;
  const call = (name: string, message: Buffer): Promise<Buffer | grpc.ServiceError> =>
    new Promise((resolve) => {
      // The generic client has a function for each method of the service.
      (client[name] as Unary).call(client, message, (error, answer) => resolve(error ?? answer ?? Buffer.alloc(0)));
    });

  const large = Buffer.alloc(500_000, "x");
  const echoed = await call("echo", large);
  expect(Buffer.isBuffer(echoed) && echoed.equals(large)).toBe(true);
  expect(await call("fail", Buffer.from("x"))).toMatchObject({
    code: grpc.status.FAILED_PRECONDITION,
    details: "not now",
  });

  const chat = (client["chat"] as () => grpc.ClientDuplexStream<Buffer, Buffer>).call(client);
  const heard: string[] = [];
  chat.on("data", (message: Buffer) => heard.push(message.toString()));
  chat.write(Buffer.from("one"));
  await expect.poll(() => heard).toEqual(["one"]); // before the request has ended
  chat.write(Buffer.from("two"));
  chat.end();
  const [status] = (await once(chat, "status")) as [grpc.StatusObject];
  expect(status.code).toBe(grpc.status.OK);
  expect(heard).toEqual(["one", "two"]);
  client.close();
  server.forceShutdown();
});
