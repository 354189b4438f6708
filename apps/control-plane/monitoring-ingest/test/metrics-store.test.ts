import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql, type ColumnarStore } from "@drawbridge/columnar";
import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import type { AppReading } from "../src/domain/app-reading.ts";
import type { OwnFigure } from "../src/domain/own-reading.ts";
import { createOwnQueries } from "../src/metrics-store/own-queries.ts";
import { createAppQueries } from "../src/metrics-store/app-queries.ts";
import { fabricId, requests, testIntake, testStore } from "./support/test-intake.ts";

const second = 1_000;
const minute = 60 * second;
const now = new Date();
const before = (ms: number): Date => new Date(now.getTime() - ms);
const never = new AbortController().signal;
const filter = { environments: ["production"], fabricIds: [fabricId], app: "orders" };

/** What the table and its roll-up have counted. */
async function counted(store: Pick<ColumnarStore, "query">): Promise<readonly unknown[]> {
  const [row] = await store.query({
    sql: sql`SELECT (SELECT sum(messages) FROM app_metrics) AS messages, (SELECT sum(messages) FROM app_metrics_5m) AS rolled_up`,
    wideIntegers: "string",
  });
  return [row?.["messages"], row?.["rolled_up"]];
}

async function eventually(store: Pick<ColumnarStore, "query">, messages: string): Promise<void> {
  await expect.poll(() => counted(store)).toEqual([messages, messages]);
}

test("a message that comes again counts once, at the same time, later, and after a restart (MON)", async () => {
  const world = await testStore();
  const intake = await testIntake(world);
  const batch = { fabricId, batch: 7, readings: [requests({ at: before(minute), count: 5 })] };
  const both = await Promise.all([intake.committer.commit(batch), intake.committer.commit(batch)]);
  expect(both.map(({ outcome }) => outcome)).toEqual(["stored", "known"]);
  expect((await intake.committer.commit(batch)).outcome).toBe("known");
  await eventually(world.store, "5");
  await intake.committer.stop(never);
  const restarted = await intake.again();
  expect((await restarted.committer.commit(batch)).outcome).toBe("known");
  expect((await restarted.committer.commit({ ...batch, fabricId: fabricId.replace("1", "2") })).outcome).toBe("stored");
  await eventually(world.store, "10");
});

test("what was acknowledged while the store was away is in it after a restart, once; later senders wait (META 3)", async () => {
  const { store, directory } = await testStore();
  let isAway = true;
  const away = new DrawbridgeError({ kind: "unavailable", code: "COLUMNAR_UNAVAILABLE", message: "away" });
  const cut: Pick<ColumnarStore, "query" | "insertFiles"> = {
    query: (query, signal) => store.query(query, signal),
    // As a crash between the insert and its answer: the rows are in, and nobody was told.
    insertFiles: async (files) => {
      await store.insertFiles(files);
      if (isAway) throw away;
    },
  };
  const intake = await testIntake({ store: cut, directory });
  const told = [
    requests({ at: before(minute), count: 3 }),
    requests({ at: before(minute), count: 50, cumulativeSince: before(2 * minute) }),
  ];
  expect((await intake.committer.commit({ fabricId, batch: 1, readings: told })).outcome).toBe("stored");
  await expect.poll(() => intake.committer.health()).toContain("away");
  await expect(intake.committer.commit({ fabricId, batch: 2, readings: told })).rejects.toMatchObject({
    code: "METRICS_STORE_UNAVAILABLE",
    kind: "unavailable",
  });
  await intake.committer.stop(never);
  expect(await readdir(join(directory, "spool/waiting"))).toHaveLength(1);
  isAway = false;
  await intake.again();
  expect(await readdir(join(directory, "spool/waiting"))).toEqual([]);
  expect(await counted(store)).toEqual(["53", "53"]);
});

test("a folder that was cut off while it was written is nothing; a spool that takes nothing is told, and no counter moves", async () => {
  const world = await testStore();
  const intake = await testIntake(world);
  const readings = [requests({ at: before(minute), count: 9, cumulativeSince: before(2 * minute) })];
  const waiting = join(world.directory, "spool/waiting");
  await rm(waiting, { recursive: true });
  await expect(intake.committer.commit({ fabricId, batch: 1, readings })).rejects.toMatchObject({
    code: "METRICS_STORE_UNAVAILABLE",
  });
  await mkdir(join(waiting, "0000.unfinished"), { recursive: true });
  await writeFile(join(waiting, "0000.unfinished/metrics.native"), "half");
  // The counter has not moved for the message that was not kept: all that it says is counted now.
  expect((await intake.committer.commit({ fabricId, batch: 1, readings })).outcome).toBe("stored");
  await eventually(world.store, "9");
  await intake.committer.stop(never);
  await intake.again();
  expect(await readdir(waiting)).toEqual([]);
});

test("cumulative counters are counted by what they moved, over resets and a restart (MON)", async () => {
  const world = await testStore();
  const intake = await testIntake(world);
  const since = before(60 * minute);
  const tell = async (to: typeof intake, batch: number, reading: AppReading) =>
    to.committer.commit({ fabricId, batch, readings: [reading] });
  // An hour old when it is first heard of: nobody knows when it counted its 1000.
  await tell(intake, 1, requests({ at: before(10 * minute), count: 1_000, cumulativeSince: since }));
  await tell(intake, 2, requests({ at: before(9 * minute), count: 1_040, cumulativeSince: since }));
  await eventually(world.store, "40");
  await intake.committer.stop(never);
  const restarted = await intake.again();
  await tell(restarted, 3, requests({ at: before(8 * minute), count: 1_041, cumulativeSince: since }));
  // An older point comes late: it is in the newer one.
  await tell(restarted, 4, requests({ at: before(9 * minute), count: 1_030, cumulativeSince: since }));
  // The process died and began anew.
  await tell(restarted, 5, requests({ at: before(7 * minute), count: 6, cumulativeSince: before(7.5 * minute) }));
  // Smaller, with the same start: began anew without saying so.
  await tell(restarted, 6, requests({ at: before(6 * minute), count: 2, cumulativeSince: before(7.5 * minute) }));
  await eventually(world.store, "49");
});

test("counters beyond what a fabric may have are refused and the rest is taken; other fabrics have their own", async () => {
  const world = await testStore();
  const intake = await testIntake(world, { maxCountersPerFabric: 2 });
  const readings = ["r1", "r2", "r3"].map((replica) =>
    requests({ at: before(minute), count: 1, replica, cumulativeSince: before(2 * minute) }),
  );
  const first = await intake.committer.commit({ fabricId, batch: 1, readings });
  expect(first).toEqual({ outcome: "stored", refused: 1 });
  const other = await intake.committer.commit({ fabricId: fabricId.replace("1", "2"), batch: 1, readings });
  expect(other).toEqual({ outcome: "stored", refused: 1 });
  await eventually(world.store, "4");
});

test("CPU and memory of a step are means of the moments' sums, from samples and from the roll-up alike", async () => {
  const world = await testStore();
  const intake = await testIntake(world);
  // r1 is replaced by r2 in the middle of ten minutes; both use the same.
  const begin = Math.floor(before(40 * minute).getTime() / (5 * minute)) * 5 * minute;
  const readings: AppReading[] = [];
  for (let slot = 0; slot < 40; slot += 1) {
    const of = {
      environment: "production",
      app: "orders",
      replica: slot < 20 ? "r1" : "r2",
      timeMs: begin + slot * 15_000,
    };
    readings.push(
      { ...of, figure: "cpu", rank: 0, millicores: 250 },
      { ...of, figure: "memory used", rank: 0, bytes: 1_000 },
    );
    readings.push(requests({ at: new Date(of.timeMs), replica: of.replica, count: 3 }));
  }
  await intake.committer.commit({ fabricId, batch: 1, readings });
  await eventually(world.store, "120");
  const queries = createAppQueries(world.store);
  const range = { from: new Date(begin), to: new Date(begin + 10 * minute) };
  const values = { cpuMillicores: 250, memoryUsed: 1_000, messages: 120, responseMsSum: 12_000, responseCount: 120 };
  for (const source of ["samples", "roll-up"] as const) {
    const steps = { ...range, stepMs: 10 * minute, source };
    expect(await queries.points(filter, { ...steps, of: "apps" }, never)).toMatchObject([
      { ...values, atMs: begin, replica: "", countedMs: 10 * minute },
    ]);
    const half = { cpuMillicores: 250, memoryUsed: 1_000, messages: 60 };
    expect(await queries.points(filter, { ...steps, of: "replicas" }, never)).toMatchObject([
      { ...half, replica: "r1" },
      { ...half, replica: "r2" },
    ]);
  }
});

test("a step that is not over is counted until its last sample, so that its rate is right", async () => {
  const world = await testStore();
  const intake = await testIntake(world);
  const begin = before(5 * minute).getTime();
  const readings = [1, 2, 3, 4, 5, 6].map((slot) => requests({ at: new Date(begin + slot * 15_000), count: 30 }));
  await intake.committer.commit({ fabricId, batch: 1, readings });
  await eventually(world.store, "180");
  const range = {
    from: new Date(begin),
    to: new Date(begin + 100 * second),
    stepMs: minute,
    source: "samples",
  } as const;
  const points = await createAppQueries(world.store).points(filter, { ...range, of: "apps" }, never);
  expect(points.map(({ messages, countedMs }) => [messages, countedMs])).toEqual([
    [90, minute],
    [90, 30 * second],
  ]);
});

test("what apps tell of themselves counts once, and is shown by step over all replicas: counts added up, gauges averaged (MON)", async () => {
  const world = await testStore();
  const intake = await testIntake(world);
  const own = (replica: string, ms: number, figure: Partial<OwnFigure>): AppReading => ({
    environment: "production",
    app: "orders",
    replica,
    timeMs: before(ms).getTime(),
    figure: "own",
    metric: "orders_placed_total",
    kind: "counter",
    method: "",
    statusClass: "",
    value: 1,
    count: 0,
    ...figure,
  });
  const took = {
    metric: "http_request_duration_seconds",
    kind: "distribution",
    method: "GET",
    statusClass: "2xx",
  } as const;
  const fds = { metric: "process_open_fds", kind: "gauge" } as const;
  const batch = {
    fabricId,
    batch: 9,
    readings: [
      own("r1", 5_000, { value: 3 }),
      own("r2", 5_000, { value: 4 }),
      own("r1", 5_000, { ...took, value: 0.5, count: 10 }),
      own("r1", 7_000, { ...fds, value: 10 }),
      own("r1", 5_000, { ...fds, value: 20 }),
      own("r2", 5_000, { ...fds, value: 7 }),
    ],
  };
  expect((await intake.committer.commit(batch)).outcome).toBe("stored");
  const range = { from: before(minute), to: now, stepMs: minute, source: "samples" } as const;
  const asked = { environment: "production", app: "orders", fabricIds: [fabricId], metric: "" };
  const show = async () =>
    (await createOwnQueries(world.store).points(asked, range, never)).map(
      ({ metric, statusClass, value, count }) => [metric, statusClass, value, count] as const,
    );
  await expect.poll(show).toEqual([
    ["http_request_duration_seconds", "2xx", 0.5, 10],
    ["orders_placed_total", "", 7, 0],
    ["process_open_fds", "", 22, 0],
  ]);
  await intake.committer.stop(never);
  const restarted = await intake.again();
  expect((await restarted.committer.commit(batch)).outcome).toBe("known");
  const others = { ...asked, fabricIds: [fabricId.replace("1", "2")] };
  expect(await createOwnQueries(world.store).points(others, range, never)).toEqual([]);
});
