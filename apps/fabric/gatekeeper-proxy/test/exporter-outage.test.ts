import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { createTestCa, createTestLogger, FakeClock, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import type { ExporterStatus, FromExporter } from "../src/analytics/exporter-protocol.ts";
import { Exporter } from "../src/analytics/exporter.ts";
import { aBody } from "./support/exporter-thread.ts";
import { startIngest } from "./support/ingest-server.ts";

const minutes = 60;
const batchesAMinute = 6;
const rows = 20;
const recorded = minutes * batchesAMinute * rows;

/** An exporter whose hour is a matter of seconds, with a server that is real and away. */
async function anHourWithoutServer(spoolBytes: number) {
  await using setUp = new AsyncDisposableStack();
  const folder = setUp.use(await tempDir());
  const ca = await createTestCa();
  const ingest = setUp.use(await startIngest(await ca.issueService("analytics-ingest")));
  const clock = new FakeClock(new Date());
  let status: ExporterStatus | undefined;
  let whenTaken = Promise.withResolvers<void>();
  const post = (message: FromExporter): void => {
    if (message.type === "status") ({ status } = message);
    if (message.type === "taken") whenTaken.resolve();
    if (message.type !== "access_wanted") return;
    const expiresAtMs = clock.now().getTime() + 3_600_000;
    exporter.receive({ type: "access", access: { token: "token", url: ingest.url, expiresAtMs } });
  };
  const directory = join(folder.path, "analytics");
  const exporter = new Exporter({
    start: {
      directory,
      leftDirectory: join(folder.path, "left"),
      takenDirectory: join(folder.path, "taken"),
      egressDirectory: join(folder.path, "egress"),
      gatewayId: "gateway-0",
      spoolBytes,
      maxAgeMs: 86_400_000,
      recordedBefore: undefined,
      log: { level: "fatal", format: "json" },
    },
    clock,
    random: { next: () => 0.5 },
    logger: createTestLogger().logger,
    post,
  });
  exporter.receive({ type: "trust", bundle: ca.trustBundle });
  const running = exporter.run();
  setUp.defer(async () => {
    await exporter.stop(0);
    await running;
    await exporter.close();
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await setImmediate();
  };
  await ingest.stop();
  for (let batch = 0; batch < minutes * batchesAMinute; batch += 1) {
    const fromMs = clock.now().getTime();
    whenTaken = Promise.withResolvers();
    exporter.receive({ type: "requests", ...aBody(rows), fromMs, toMs: fromMs });
    await whenTaken.promise;
    await pass(60_000 / batchesAMinute);
  }
  await ingest.start();
  await expect
    .poll(async () => {
      await pass(5_000);
      return ingest.accounted();
    })
    .toBe(recorded);
  const stack = setUp.move();
  return { ingest, status: () => status, pass, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const sequencesOf = (names: Iterable<string>): readonly number[] =>
  [...names].map((name) => Number(name.split(" ")[2]));

test("an hour without analytics-ingest loses nothing that the spool holds, and all comes in its order (ANA 1)", async () => {
  await using hour = await anHourWithoutServer(64 * 1024 * 1024);
  const { acknowledged } = hour.ingest;
  expect(hour.ingest.requests()).toHaveLength(recorded);
  expect([...acknowledged.values()].flatMap(({ gaps }) => gaps)).toEqual([]);
  expect(new Set([...acknowledged.keys()].map((name) => name.split(" ")[1])).size).toBe(1);
  expect(sequencesOf(acknowledged.keys())).toEqual(Array.from({ length: acknowledged.size }, (_, index) => index + 1));
});

test("an hour that no spool holds loses the oldest, and what is lost is counted to the request (ANA 1)", async () => {
  await using hour = await anHourWithoutServer(524_288);
  const { acknowledged } = hour.ingest;
  const delivered = hour.ingest.requests().length;
  const told = [...acknowledged.values()].flatMap(({ gaps }) => gaps).reduce((sum, { requests }) => sum + requests, 0);
  expect(told).toBeGreaterThan(0);
  expect(delivered).toBeGreaterThan(0);
  expect(delivered + told).toBe(recorded);
  await expect
    .poll(async () => {
      await hour.pass(1_000);
      return hour.status()?.lost;
    })
    .toEqual({ spool_full: told });
});
