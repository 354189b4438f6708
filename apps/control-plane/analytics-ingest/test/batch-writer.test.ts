import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { openColumnarStore } from "@drawbridge/columnar";
import { createTestLogger } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { again, aQueuedBatch } from "./support/queued-batches.ts";
import type { Totals } from "./fixtures/batch-writer.ts";
import { writerWorld } from "./support/writer-process.ts";

const rowsOfABatch = 50;

/** Batches of a gateway whose requests differ; every third one tells of a gap. */
function batches(first: number, last: number) {
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const sequence = first + index;
    const requests = Array.from({ length: rowsOfABatch }, (__, row) => ({ latencyUs: sequence * 1_000 + row }));
    const lost = {
      requests: BigInt(sequence),
      fromMs: BigInt(Date.now()),
      toMs: BigInt(Date.now()),
      reason: 2 as const,
    };
    return aQueuedBatch({ sequence, requests, gaps: sequence % 3 === 0 ? [lost] : [] });
  });
}

function expectedOf(last: number): Totals {
  const requests = last * rowsOfABatch;
  const sequences = Array.from({ length: last }, (_, index) => index + 1);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const latencyUs =
    sum(sequences) * 1_000 * rowsOfABatch + last * sum(Array.from({ length: rowsOfABatch }, (_, row) => row));
  const withGaps = sequences.filter((sequence) => sequence % 3 === 0);
  return {
    rows: requests,
    requests,
    latencyUs,
    batches: last,
    batchesKnown: last,
    byTable: {
      request_batches: requests,
      api: requests,
      latency: requests,
      application: requests,
      geography: requests,
      user_agent: requests,
    },
    latencyByTable: { api: latencyUs, application: latencyUs, geography: latencyUs, user_agent: latencyUs },
    gaps: sum(withGaps),
    gapLines: withGaps.length,
  };
}

test.each(["written", "rows stored", "stored", "acknowledged", "removed"] as const)(
  "each request and gap counts once, in every roll-up too, when the process is killed after: block %s (ANA 1)",
  async (step) => {
    const world = await writerWorld();
    await world.publish(batches(1, 20));
    const first = await world.start({ step, time: 1 });
    await first.died;
    await world.publish(batches(21, 30));
    await world.publish(batches(1, 20).map(again));
    const second = await world.start();
    await expect.poll(() => world.waiting()).toBe(0);
    expect(await second.totals()).toEqual(expectedOf(30));
    expect(await world.deadLetters()).toBe(0);
  },
);

test("a batch of gaps alone is stored, once however often it comes (ANA 1)", async () => {
  const world = await writerWorld();
  const gap = { requests: 70n, fromMs: BigInt(Date.now()), toMs: BigInt(Date.now()), reason: 6 as const };
  const alone = aQueuedBatch({ sequence: 1, requests: [], gaps: [gap] });
  await world.publish([alone]);
  const first = await world.start({ step: "stored", time: 1 });
  await first.died;
  await world.publish([again(alone)]);
  const second = await world.start();
  await expect.poll(() => world.waiting()).toBe(0);
  expect(await second.totals()).toMatchObject({ rows: 0, gaps: 70, gapLines: 1 });
  expect(await world.deadLetters()).toBe(0);
});

test("deliveries that a killed process held in memory come again, and count once (ANA 1)", async () => {
  const world = await writerWorld();
  for (let round = 0; round < 3; round += 1) {
    const writer = await world.start();
    await world.publish(batches(round * 10 + 1, round * 10 + 10));
    await writer.kill(); // half a second before there is a file, if it was quick
  }
  const last = await world.start();
  await expect.poll(() => world.waiting()).toBe(0);
  expect(await last.totals()).toEqual(expectedOf(30));
});

test("each request counts once when the store's engine is killed again and again (ANA 1)", async () => {
  const world = await writerWorld();
  const writer = await world.start();
  for (let round = 0; round < 3; round += 1) {
    await world.publish(batches(round * 10 + 1, round * 10 + 10));
    const status = await readFile(join(world.dataDirectory, "store/data/status"), "utf8");
    process.kill(Number(/PID: (\d+)/.exec(status)?.[1]), "SIGKILL");
    await expect.poll(() => world.waiting()).toBe(0);
  }
  expect(await writer.totals()).toEqual(expectedOf(30));
  expect(await readdir(join(world.dataDirectory, "spool")), "nothing is left in the spool").toEqual([]);
});

test("an orderly stop leaves no file, and what comes twice after it is known (ANA 1)", async () => {
  const world = await writerWorld();
  await world.publish(batches(1, 10));
  const first = await world.start();
  await expect.poll(() => world.waiting()).toBe(0);
  first.child.send("stop");
  await first.died;
  expect(first.child.exitCode).toBe(0);
  expect(await readdir(join(world.dataDirectory, "spool"))).toEqual([]);
  await world.publish([...batches(1, 10).map(again), ...batches(11, 12)]);
  const second = await world.start();
  await expect.poll(() => world.waiting()).toBe(0);
  expect(await second.totals()).toEqual(expectedOf(12));
});

test("a block in the spool is not inserted into a store that was restored with its rows in it (ANA 1)", async () => {
  const world = await writerWorld();
  await world.publish(batches(1, 10));
  const first = await world.start({ step: "stored", time: 1 });
  await first.died;
  const directory = join(world.dataDirectory, "store");
  const backup = join(world.dataDirectory, "backup");
  const { logger } = createTestLogger();
  await using held = await openStore(directory, logger);
  await held.store.backup(backup);
  await held.close();
  await rm(directory, { recursive: true });
  await using restored = await openStore(directory, logger);
  await restored.store.restore(backup);
  await restored.close();
  expect(await readdir(join(world.dataDirectory, "spool"))).not.toEqual([]);

  const second = await world.start();
  await expect.poll(() => world.waiting()).toBe(0);
  expect(await second.totals()).toEqual(expectedOf(10));
  expect(await readdir(join(world.dataDirectory, "spool"))).toEqual([]);
});

test("a block in the spool goes into a store that was begun anew (ANA 1)", async () => {
  const world = await writerWorld();
  await world.publish(batches(1, 10));
  const first = await world.start({ step: "acknowledged", time: 1 });
  await first.died;
  await rm(join(world.dataDirectory, "store"), { recursive: true });
  const second = await world.start();
  expect(await second.totals()).toEqual(expectedOf(10));
});

async function openStore(directory: string, logger: ReturnType<typeof createTestLogger>["logger"]) {
  const store = openColumnarStore({ engine: { kind: "embedded", directory }, logger });
  await store.start(AbortSignal.timeout(240_000));
  const close = (): Promise<void> => store.stop(AbortSignal.timeout(10_000));
  return { store, close, [Symbol.asyncDispose]: close };
}
