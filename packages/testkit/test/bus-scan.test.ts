import { connectBus, provisionBus, type Bus } from "@drawbridge/bus";
import { startNats } from "@drawbridge/local";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

const { logger } = createTestLogger();
const suite = new AsyncDisposableStack();
const text = (value: Uint8Array): string => Buffer.from(value).toString();
let writer: Bus;

beforeAll(async () => {
  const folder = suite.use(await tempDir());
  const nats = await startNats({
    stateDir: folder.path,
    port: 0,
    provision: (server) => provisionBus({ ...server, logger }, AbortSignal.timeout(30_000)),
  });
  suite.defer(() => nats.stop());
  const credentials = (await readFile(nats.credentialsFileOf("cert-authority"), "utf8")).trim();
  writer = connectBus({ url: nats.url, credentials, name: "t", service: "cert-authority", logger });
  await writer.start(AbortSignal.timeout(30_000));
  suite.defer(() => writer.stop(AbortSignal.timeout(5_000)));
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
