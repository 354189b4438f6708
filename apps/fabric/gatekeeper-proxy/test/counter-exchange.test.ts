import { chmodSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { CounterLedger, createCounterStorage, openCounters, seedBytes } from "@drawbridge/policies";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCounterExchange } from "../src/peers/counter-exchange.ts";
import { encodeFrame, FrameReader } from "../src/peers/peer-frame.ts";
import { openSharedSeed } from "../src/peers/shared-seed.ts";
import { createUnixPeers } from "../src/peers/unix-peers.ts";
import { until } from "./support/gateway-process.ts";

/* The exchange over real sockets; whole gateways are in shared-limits.test.ts. */

let folder: Awaited<ReturnType<typeof tempDir>>;
let stack: AsyncDisposableStack;
const never = new AbortController().signal;
const limit = 1_000;
const windowEndsMs = Date.now() + 3_600_000;
const seed = new Uint8Array(seedBytes).fill(3);

beforeEach(async () => {
  folder = await tempDir();
  stack = new AsyncDisposableStack();
});
afterEach(async () => {
  await stack.disposeAsync();
  await folder[Symbol.asyncDispose]();
});

const peersDirectory = (): string => join(folder.path, "peers");

function aGateway(
  gatewayId: string,
  options: { entries?: number; storage?: SharedArrayBuffer; seedCheck?: string } = {},
) {
  const storage = options.storage ?? createCounterStorage(options.entries ?? 1_024, seed);
  const nowMs = (): number => Date.now();
  const ledger = new CounterLedger(storage, { own: gatewayId, nowMs });
  const { logger } = createTestLogger();
  const exchange = createCounterExchange({
    gatewayId,
    network: createUnixPeers(peersDirectory(), gatewayId),
    ledger,
    seedCheck: options.seedCheck ?? "one seed",
    clock: systemClock,
    logger,
  });
  const counter = openCounters(storage, nowMs).counter("policy/0");
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= exchange.stop(never));
  return {
    exchange,
    storage,
    count: (times: number): void => {
      for (let taken = 0; taken < times; taken += 1) counter.take("client", 1, limit, windowEndsMs);
    },
    read: () => counter.read("client", 1),
    heardFrom: () => exchange.peers().flatMap(({ gatewayId: peer, isHeard }) => (isHeard ? [peer] : [])),
    start: async () => {
      stack.defer(stop);
      await exchange.start(never);
    },
    stop,
  };
}

async function dialRaw(gatewayId: string): Promise<Socket> {
  const socket = createConnection(join(peersDirectory(), `${gatewayId}.sock`));
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  stack.defer(() => void socket.destroy());
  return socket;
}

test("gateways find each other and count together, also one that comes later (rule 20)", async () => {
  const [one, other, late] = [aGateway("gateway-0"), aGateway("gateway-1"), aGateway("gateway-2")];
  one.count(5);
  await one.start();
  await other.start();
  expect(other.read()).toBe(5);
  other.count(7);
  await until(() => one.read() === 12);
  await late.start();
  expect(late.read()).toBe(12);
  late.count(1);
  await until(() => one.read() === 13 && other.read() === 13);
});

test("what a gateway counted that is gone stays, its last counts before an orderly end included", async () => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  await one.start();
  await other.start();
  await until(() => one.heardFrom().length === 1 && other.heardFrom().length === 1);
  other.count(9);
  await other.stop();
  await until(() => one.heardFrom().length === 0);
  expect(one.read()).toBe(9);
});

test("a gateway that starts with nothing has its own counts back before it counts", async () => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  await one.start();
  await other.start();
  other.count(9);
  await until(() => one.read() === 9);
  await other.stop();
  const again = aGateway("gateway-1");
  await again.start();
  expect(again.read()).toBe(9);
  again.count(2);
  await until(() => one.read() === 11);
  expect(again.read()).toBe(11);
});

test("the socket that a killed gateway left stops nobody", async () => {
  const listener = createServer();
  const gateway = aGateway("gateway-1");
  await gateway.start();
  await gateway.stop();
  listener.listen(join(peersDirectory(), "gateway-0.sock"));
  await once(listener, "listening");
  // A server that ends takes its socket away; a killed process does not.
  const stale = join(peersDirectory(), "gateway-9.sock");
  writeFileSync(stale, "");
  listener.close();
  const one = aGateway("gateway-0");
  const nine = aGateway("gateway-9");
  await one.start();
  one.count(4);
  await nine.start();
  expect(nine.read()).toBe(4);
});

test.each<[string, Buffer]>([
  ["bytes that are no frame", Buffer.alloc(64, 0xff)],
  ["counts before a hello", encodeFrame({ kind: "complete" })],
  ["a hello of our own name", hello("gateway-0")],
  [
    "a hello of another table",
    encodeFrame({ kind: "hello", hello: { gatewayId: "x", buckets: 1, seedCheck: "one seed" } }),
  ],
  [
    "a hello of another seed",
    encodeFrame({ kind: "hello", hello: { gatewayId: "x", buckets: 128, seedCheck: "another" } }),
  ],
  ["two hellos", Buffer.concat([hello("x"), hello("x")])],
  [
    "counters that no table has, after a hello",
    Buffer.concat([
      hello("x"),
      encodeFrame({ kind: "counts", sinceMs: 0, part: { origin: "x", shares: Int32Array.from([9_999, 1, 1, 1]) } }),
    ]),
  ],
])("%s end the stream, and the gateway goes on with the others", async (_what, bytes) => {
  const [one, other] = [aGateway("gateway-0"), aGateway("gateway-1")];
  await one.start();
  await other.start();
  const hostile = await dialRaw("gateway-0");
  const closed = once(hostile.resume(), "close");
  hostile.write(bytes);
  await closed;
  other.count(3);
  await until(() => one.read() === 3);
});

test("a peer that does not read is told everything when it reads again, and holds up nobody", async () => {
  const one = aGateway("gateway-0", { entries: 65_536 });
  await one.start();
  const counter = openCounters(one.storage, () => Date.now()).counter("policy/1");
  let accepted: Socket | undefined;
  const silent = createServer({ pauseOnConnect: true }, (socket) => {
    accepted ??= socket; // the first is of gateway-0
    socket.on("error", () => socket.destroy());
  });
  silent.listen(join(peersDirectory(), "silent.sock"));
  await once(silent, "listening");
  stack.defer(() => {
    accepted?.destroy();
    silent.close();
  });
  await until(() => accepted !== undefined);
  const other = aGateway("gateway-1", { entries: 65_536 });
  await other.start();
  const nowMs = (): number => Date.now();
  const heardByOther = openCounters(other.storage, nowMs).counter("policy/1");
  const rounds = 12;
  // Together more than is kept for a peer.
  for (let round = 1; round <= rounds; round += 1) {
    for (let client = 0; client < 10_000; client += 1) counter.take(`client ${client}`, 1, limit, windowEndsMs);
    await until(() => heardByOther.read("client 0", 1) === round && heardByOther.read("client 9999", 1) === round);
  }
  expect(one.heardFrom()).toEqual(["gateway-1"]);
  const storage = createCounterStorage(65_536, seed);
  const ledger = new CounterLedger(storage, { own: "silent", nowMs });
  const frames = new FrameReader(ledger.buckets);
  accepted?.on("data", (piece: Buffer) => {
    for (const frame of frames.read(piece)) if (frame.kind === "counts") ledger.merge(frame.part);
  });
  accepted?.resume();
  const heard = openCounters(storage, nowMs).counter("policy/1");
  await until(() => heard.read("client 0", 1) === rounds && heard.read("client 9999", 1) === rounds);
});

test("nobody but the gateways' user may enter the folder; an open one is not used", async () => {
  const one = aGateway("gateway-0");
  await one.start();
  expect(statSync(peersDirectory()).mode & 0o777).toBe(0o700);
  chmodSync(peersDirectory(), 0o755);
  const other = aGateway("gateway-1");
  await other.start();
  expect(readdirSync(peersDirectory())).toEqual(["gateway-0.sock"]);
  other.count(2);
  expect(other.read()).toBe(2);
});

test("gateways that start together have one seed, that of counts saved before if there are any", () => {
  const saved = new Uint8Array(seedBytes).fill(9);
  expect(openSharedSeed(peersDirectory(), saved)).toEqual(saved);
  expect(openSharedSeed(peersDirectory(), undefined)).toEqual(saved);
  writeFileSync(join(peersDirectory(), "seed"), "cut");
  const mended = openSharedSeed(peersDirectory(), undefined);
  expect(mended).toHaveLength(seedBytes);
  expect(openSharedSeed(peersDirectory(), saved)).toEqual(mended);
  expect(statSync(join(peersDirectory(), "seed")).mode & 0o777).toBe(0o600);
});

function hello(gatewayId: string): Buffer {
  return encodeFrame({ kind: "hello", hello: { gatewayId, buckets: 128, seedCheck: "one seed" } });
}
