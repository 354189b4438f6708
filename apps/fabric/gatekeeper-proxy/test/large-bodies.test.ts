import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import { freePort } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { aListener, anApp, startWorker } from "./support/worker-thread.ts";

const sizes = [65_536, 40_000, 300_000, 1_000_000] as const;

/** Nothing of it repeats, and no two of them share a part. */
function bodyOf(name: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at + 8 <= size; at += 8) {
    bytes.writeUInt32LE(name, at);
    bytes.writeUInt32LE(at, at + 4);
  }
  return bytes.fill(name & 0xff, size - (size % 8));
}

test("of many large answers at once, each client gets its own, those who read late too", async () => {
  const upstream = createServer((request, response) => {
    const [, name = "0", size = "0"] = (request.url ?? "").split("/");
    const body = bodyOf(Number(name), Number(size));
    // Half of them chunked.
    if (Number(name) % 2 === 0) return void response.end(body);
    response.write(body.subarray(0, 30_000));
    response.end(body.subarray(30_000));
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const address = upstream.address();
  // A busy machine must not turn requests into refusals.
  await using worker = await startWorker({ settings: { shedDelayMs: 60_000 } });
  const port = await freePort();
  const replica = {
    replicaId: "r1",
    address: "127.0.0.1",
    port: typeof address === "object" && address !== null ? address.port : 0,
  };
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [replica] }) },
    { change: "listener_set", listener: aListener(port) },
  );

  const ask = async (name: number, size: number, late: Promise<unknown> | undefined): Promise<string> => {
    const request = get({ port, host: "127.0.0.1", path: `/${name}/${size}` });
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    await late;
    const pieces: Buffer[] = [];
    for await (const piece of answer) pieces.push(piece as Buffer);
    const isIts = Buffer.concat(pieces).equals(bodyOf(name, size));
    return `${answer.statusCode} ${isIts ? "its own" : "not its own"}`;
  };
  // More than the system keeps for a connection: pieces wait in the gateway until these clients read.
  const gate = Promise.withResolvers<undefined>();
  const late = Array.from({ length: 3 }, (_, index) => ask(2_000 + index, 24_000_000, gate.promise));
  for (const from of [3_000, 4_000, 5_000]) {
    const quick = Array.from({ length: 24 }, (_, index) =>
      ask(from + index, sizes[index % sizes.length] ?? 0, undefined),
    );
    expect(await Promise.all(quick)).toEqual(quick.map(() => "200 its own"));
  }
  gate.resolve(undefined);
  expect(await Promise.all(late)).toEqual(late.map(() => "200 its own"));
  upstream.closeAllConnections();
  upstream.close();
});
