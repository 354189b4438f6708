import { readFile } from "node:fs/promises";
import {
  connectBus,
  createQueueConsumer,
  createSyncCheck,
  openQueueDeadLetters,
  openWorkQueue,
  provisionBus,
  scanEvents,
  type Bus,
  type QueueMessage,
  type ServiceName,
} from "@drawbridge/bus";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { startNats, type ManagedNats } from "@drawbridge/local";
import { createTestLogger, startTestNats, tempDir, type TempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAll, until } from "./ledger-fixture.ts";
import { hpub, rawNats } from "./raw-nats.ts";

const { logger, records, withMessage } = createTestLogger();
const entry = (id: string, bytes: Uint8Array = Buffer.from(id)) => ({ id, bytes, headers: { "Test-Name": id } });
let folder: TempDir;
let nats: ManagedNats;
let bus: Bus;
let running: AsyncDisposable;

beforeAll(async () => {
  folder = await tempDir();
  nats = await startNats({
    stateDir: folder.path,
    port: 0,
    provision: (server) => provisionBus({ ...server, logger }, AbortSignal.timeout(240_000)),
  });
  bus = connectBus({ url: nats.url, credentials: await loginOf("analytics-ingest"), ...named("analytics-ingest") });
  running = await startAll(bus);
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await nats.stop();
  await folder[Symbol.asyncDispose]();
});

function named(service: ServiceName) {
  return { name: `${service}-0`, service, requireDurable: true, logger };
}

async function loginOf(service: ServiceName): Promise<string> {
  return (await readFile(nats.credentialsFileOf(service), "utf8")).trim();
}

/** Takes what comes until the end of the scope; acknowledges nothing by itself. */
async function takeAll(
  handle: (message: QueueMessage) => void | Promise<void> = () => undefined,
): Promise<AsyncDisposable & { readonly taken: readonly QueueMessage[] }> {
  const taken: QueueMessage[] = [];
  const consumer = createQueueConsumer({
    bus,
    queue: "ANALYTICS",
    durable: "analytics-ingest",
    handle: async (message) => {
      taken.push(message);
      await handle(message);
    },
    maxBytes: 8 * 1024 * 1024,
    logger,
    clock: systemClock,
  });
  const started = await startAll(consumer);
  return { taken, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

const refusals = () => records.filter(({ err }) => JSON.stringify(err ?? "").includes("BUS_PERMISSION_DENIED"));

test("bytes come as they were given, with their headers, and leave the queue when they are acknowledged", async () => {
  const queue = openWorkQueue(bus, "ANALYTICS");
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  expect(await queue.publish(entry("first", bytes))).toEqual({ duplicate: false });
  expect(await queue.usage()).toMatchObject({ messages: 1, maxBytes: 4 * 1024 ** 3 });
  await using consumer = await takeAll();
  await until(() => consumer.taken.length === 1);
  const [message] = consumer.taken;
  expect(Buffer.from(message?.bytes ?? [])).toEqual(Buffer.from(bytes));
  expect(message?.header("Test-Name")).toBe("first");
  expect([message?.id, message?.deliveries]).toEqual(["first", 1]);
  message?.ack();
  await until(async () => (await queue.usage()).messages === 0);
  expect(refusals()).toEqual([]);
});

test("an id that was seen is acknowledged as a repeat and kept once, also after the first is done", async () => {
  const queue = openWorkQueue(bus, "ANALYTICS");
  await using consumer = await takeAll((message) => message.ack());
  expect(await queue.publish(entry("twice"))).toEqual({ duplicate: false });
  await until(async () => (await queue.usage()).messages === 0);
  expect(await queue.publish(entry("twice"))).toEqual({ duplicate: true });
  expect(await queue.publish(entry("after"))).toEqual({ duplicate: false });
  await until(() => consumer.taken.some(({ id }) => id === "after"));
  expect(consumer.taken.map(({ id }) => id)).toEqual(["twice", "after"]);
});

test("what is put off comes again, and says how often it came", async () => {
  const queue = openWorkQueue(bus, "ANALYTICS");
  await using consumer = await takeAll((message) => (message.deliveries < 3 ? message.retry(1) : message.ack()));
  await queue.publish(entry("again"));
  await until(async () => (await queue.usage()).messages === 0);
  expect(consumer.taken.map(({ deliveries }) => deliveries)).toEqual([1, 2, 3]);
});

test("large messages come at the pace of who takes them, each once and in order", async () => {
  const queue = openWorkQueue(bus, "ANALYTICS");
  const large = new Uint8Array(250_000);
  const ids = Array.from({ length: 120 }, (_, index) => `large-${index}`);
  for (const id of ids) await queue.publish(entry(id, large)); // 30 MB, of which 8 are sent ahead
  await using consumer = await takeAll(async (message) => {
    await new Promise((resolve) => setImmediate(resolve));
    message.ack();
  });
  await until(async () => (await queue.usage()).messages === 0);
  expect(consumer.taken.map(({ id }) => id)).toEqual(ids);
  expect(withMessage("message bus lost, will retry")).toEqual([]);
});

test("a queue that is full refuses what it has no room for, and takes again when there is some", async () => {
  await using server = await startTestNats();
  // Of a service without queues, so that the stream can be made smaller than usual.
  const own = connectBus({ url: server.url, credentials: server.credentials, ...named("monitoring-ingest") });
  await using _running = await startAll(own);
  const [subject, maxBytes] = ["drawbridge.analytics.batch", 100_000];
  const retention = "work queue" as const;
  const spec = { name: "ANALYTICS", subjects: [subject], maxAgeMs: 0, duplicateWindowMs: 60_000, retention, maxBytes };
  await own.ensureStream(spec);
  const queue = openWorkQueue(own, "ANALYTICS");
  const large = new Uint8Array(40_000);
  for (const id of ["one", "two"]) await queue.publish(entry(id, large));
  await expect(queue.publish(entry("three", large))).rejects.toMatchObject({ code: "BUS_FULL" });
  expect(await queue.usage()).toMatchObject({ messages: 2, maxBytes });
  const taken: string[] = [];
  const consumer = createQueueConsumer({
    bus: own,
    queue: "ANALYTICS",
    durable: "test",
    handle: (message) => {
      taken.push(message.id);
      message.ack();
    },
    logger,
    clock: systemClock,
  });
  await using _consuming = await startAll(consumer);
  await until(async () => (await queue.usage()).messages === 0);
  expect(await queue.publish(entry("three", large))).toEqual({ duplicate: false });
  await until(() => taken.length === 3);
  expect(taken).toEqual(["one", "two", "three"]);
});

test("what is larger than the server takes is refused for good", async () => {
  const huge = entry("huge", new Uint8Array(1024 * 1024));
  await expect(openWorkQueue(bus, "ANALYTICS").publish(huge)).rejects.toMatchObject({ code: "BUS_MESSAGE_TOO_LARGE" });
});

test("bytes that the server was asked to deliver here are dropped", async () => {
  await using consumer = await takeAll((message) => message.ack());
  using admin = await rawNats(nats.url, `${nats.credentials.user}:${nats.credentials.password}`);
  await admin.say(hpub("drawbridge.analytics.batch", { "Drawbridge-Subject": "elsewhere" }, "forged"));
  const queue = openWorkQueue(bus, "ANALYTICS");
  await queue.publish(entry("genuine"));
  await until(async () => (await queue.usage()).messages === 0);
  expect(consumer.taken.map(({ id }) => id)).toEqual(["genuine"]);
});

test("dead letters are kept with what they said, found, and removed one by one, by the login of the service", async () => {
  const letters = openQueueDeadLetters(bus, "ANALYTICS");
  for (const id of ["dead-1", "dead-2", "dead-3"]) await letters.keep(entry(id));
  const all = await letters.list({ fromSequence: 1, limit: 10 });
  expect(all.map(({ id, headers }) => [id, headers])).toEqual(
    ["dead-1", "dead-2", "dead-3"].map((id) => [id, { "Test-Name": id }]),
  );
  const second = all[1]?.sequence ?? 0;
  expect(await letters.remove(second)).toBe(true);
  expect(await letters.remove(second)).toBe(false);
  expect(await letters.find(second)).toBeUndefined();
  expect((await letters.list({ fromSequence: second, limit: 1 }))[0]?.id).toBe("dead-3");
  expect(await letters.count()).toBe(2);
  expect(refusals()).toEqual([]);
});

test("events of one type are looked up from the beginning, and again from where the last look ended", async () => {
  const manager = connectBus({
    url: nats.url,
    credentials: await loginOf("runtime-manager"),
    ...named("runtime-manager"),
  });
  await using _running = await startAll(manager);
  const say = (type: "runtime.fabric.deleted.v1" | "runtime.fabric.created.v1", scope: string) =>
    manager.publishEvent({
      id: uuidV7Ids.next(),
      type,
      scope,
      occurredAt: systemClock.now(),
      traceparent: "",
      payloadJson: JSON.stringify({ fabricId: scope }),
    });
  await say("runtime.fabric.created.v1", "fabric-1");
  await say("runtime.fabric.deleted.v1", "fabric-1");
  await say("runtime.fabric.deleted.v1", "fabric-2");
  const first = await scanEvents(bus, "runtime.fabric.deleted.v1", 1);
  expect(first.events.map(({ payload }) => payload.fabricId)).toEqual(["fabric-1", "fabric-2"]);
  await say("runtime.fabric.deleted.v1", "fabric-3");
  const second = await scanEvents(bus, "runtime.fabric.deleted.v1", first.nextSequence);
  expect(second.events.map(({ payload }) => payload.fabricId)).toEqual(["fabric-3"]);
  expect((await scanEvents(bus, "runtime.fabric.deleted.v1", second.nextSequence)).events).toEqual([]);
});

test.each([
  [{ store_dir: "/data", sync_interval: 120_000_000_000 }, /lost on power failure.*sync_interval: always/],
  [{ store_dir: "/data", sync_interval: 120_000_000_000, sync_always: true }, undefined],
])("a server whose monitoring says %j is told apart from one that syncs", async (config, expected) => {
  let answers = 0;
  const monitoring = createServer((request, response) => {
    answers += 1;
    response
      .setHeader("content-type", "application/json")
      .end(request.url === "/jsz" ? JSON.stringify({ config }) : "{}");
  }).listen(0, "127.0.0.1");
  await once(monitoring, "listening");
  const { port } = monitoring.address() as AddressInfo; // of TCP
  const check = createSyncCheck({ monitoringUrl: `http://127.0.0.1:${port}`, logger, clock: systemClock });
  const running = await startAll(check);
  if (expected === undefined) await until(() => answers > 0);
  else await until(() => check.health() !== undefined);
  await running[Symbol.asyncDispose]();
  monitoring.close();
  if (expected === undefined) expect(check.health()).toBeUndefined();
  else expect(check.health()).toMatch(expected);
});
