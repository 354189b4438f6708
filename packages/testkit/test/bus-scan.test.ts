import { connectBus, createRevocationNews, provisionBus, type Bus, type ServiceName } from "@drawbridge/bus";
import { startNats } from "@drawbridge/local";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

const { logger } = createTestLogger();
const suite = new AsyncDisposableStack();
const text = (value: Uint8Array): string => Buffer.from(value).toString();
let writer: Bus;
let reader: Bus;

beforeAll(async () => {
  const folder = suite.use(await tempDir());
  const nats = await startNats({
    stateDir: folder.path,
    port: 0,
    provision: (server) => provisionBus({ ...server, logger }, AbortSignal.timeout(240_000)),
  });
  suite.defer(() => nats.stop());
  const connect = async (service: ServiceName): Promise<Bus> => {
    const credentials = (await readFile(nats.credentialsFileOf(service), "utf8")).trim();
    const bus = connectBus({ url: nats.url, credentials, name: "t", service, logger });
    await bus.start(AbortSignal.timeout(240_000));
    suite.defer(() => bus.stop(AbortSignal.timeout(5_000)));
    return bus;
  };
  writer = await connect("cert-authority");
  reader = await connect("config-resolver");
}, 120_000);
afterAll(() => suite.disposeAsync());

test("the writer of a bucket reads it back with the rights that he has: latest values, no deleted keys, in order", async () => {
  const kv = await writer.kv("revoked");
  expect(await kv.scan(0)).toEqual({ entries: [], lastRevision: 0, messages: 0 });
  for (let n = 0; n < 40; n += 1) await kv.put(`serial.${n}`, Buffer.from(`first ${n}`));
  await kv.put("serial.3", Buffer.from("second 3"));
  await kv.delete("serial.5");
  const scan = await kv.scan(0);
  expect(scan.lastRevision).toBe(42);
  expect(scan.messages).toBe(40);
  const wanted = Array.from({ length: 40 }, (_, n) => n).filter((n) => n !== 3 && n !== 5);
  expect(scan.entries.map(({ key, value }) => [key, text(value)])).toEqual([
    ...wanted.map((n) => [`serial.${n}`, `first ${n}`]),
    ["serial.3", "second 3"],
  ]);
});

test("a later scan reads only what was written since", async () => {
  const kv = await writer.kv("revoked");
  const { lastRevision } = await kv.scan(0);
  expect((await kv.scan(lastRevision)).entries).toEqual([]);
  const revision = await kv.put("serial.new", Buffer.from("new"));
  const { entries } = await kv.scan(lastRevision);
  expect(entries).toMatchObject([{ key: "serial.new", revision, writtenAt: expect.any(Date) }]);
});

test("a service reads the mirror of the revocation list and hears the hints, with the rights that it has (R17)", async () => {
  const kv = await writer.kv("revoked");
  await kv.put("fp.ff", Buffer.from("{}"));
  const news = createRevocationNews(reader);
  const found = await news.readMirror();
  expect(found.map(({ key, value }) => [key, text(value)])).toContainEqual(["fp.ff", "{}"]);
  const heard = Promise.withResolvers<void>();
  const subscription = news.subscribe(heard.resolve);
  await subscription.ready;
  await writer.broadcast("ctl.revoked", new Uint8Array());
  await heard.promise;
});
