import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { freePort, createTestCa } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";

const handshakeMs = 500;
/** A gateway that leaves the connection open for so long will not close it. */
const patienceMs = 60_000;

async function serve(worker: WorkerThread): Promise<number> {
  const upstream = createServer((_request, response) => response.end("here")).listen(0, "127.0.0.1");
  upstream.unref();
  await once(upstream, "listening");
  const address = upstream.address();
  const replica = {
    replicaId: "r1",
    address: "127.0.0.1",
    port: typeof address === "object" && address !== null ? address.port : 0,
  };
  const { certificateChainPem, privateKeyPem } = await (await createTestCa()).issueService("gateway");
  const port = await freePort();
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [replica] }) },
    { change: "listener_set", listener: aListener(port, { tls: { certificateChainPem, privateKeyPem } }) },
  );
  return port;
}

/** What TLS writes goes out, but for everything after its first message, which waits. */
function holdBackAfterHello(socket: Socket): { readonly stream: Duplex; readonly release: () => void } {
  const released = Promise.withResolvers<void>();
  let isFirst = true;
  const stream = new Duplex({
    read: () => undefined,
    write(bytes: Buffer, _encoding, done) {
      const pass = (): void => void socket.write(bytes, () => done());
      if (!isFirst) return void released.promise.then(pass);
      isFirst = false;
      pass();
    },
  });
  socket.on("data", (bytes) => stream.push(bytes));
  socket.once("close", () => stream.push(null));
  return { stream, release: released.resolve };
}

/** "cut" where a machine that stood still made this handshake too slow as well. */
async function statusOverHttp2(port: number): Promise<unknown> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const status = Promise.withResolvers<unknown>();
  session.on("error", () => undefined).once("close", () => status.resolve("cut"));
  const request = session.request({ ":path": "/" }).on("error", () => undefined);
  request.once("response", (headers) => status.resolve(headers[":status"])).end();
  await status.promise.finally(() => session.destroy());
  return status.promise;
}

test.each(["h2", "http/1.1"])(
  "a handshake that is too slow ends with its connection, and takes nobody else along (%s)",
  async (protocol) => {
    await using worker = await startWorker({ settings: { headersTimeoutMs: handshakeMs } });
    const port = await serve(worker);
    const socket = connectTcp(port, "127.0.0.1").on("error", () => undefined);
    const closed = once(socket, "close").then(() => "closed");
    const { stream, release } = holdBackAfterHello(socket);
    let received = 0;
    const client = connectTls({ socket: stream, rejectUnauthorized: false, ALPNProtocols: [protocol] });
    client.on("error", () => undefined).on("data", (bytes: Buffer) => (received += bytes.length));
    const patience = Promise.withResolvers<string>();
    const timer = setTimeout(patience.resolve, patienceMs, "open");
    const outcome = await Promise.race([closed, patience.promise]);
    clearTimeout(timer);
    release();
    if (outcome === "open") await closed;
    expect({ outcome, received }).toEqual({ outcome: "closed", received: 0 });
    await expect.poll(() => statusOverHttp2(port)).toBe(200);
    client.destroy();
  },
);
