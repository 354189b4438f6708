import { once } from "node:events";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { getPriority } from "node:os";
import { join } from "node:path";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { openColumnarStore, sql } from "../src/index.ts";
import { enginePid, isRunning, runFixture } from "./support/processes.ts";
import { testStore } from "./support/test-store.ts";

const one = { sql: sql`SELECT 1 AS one` };
/** Takes a minute and no CPU. */
const long = {
  sql: sql`SELECT sum(sleepEachRow(0.1)) AS slept FROM numbers(600) SETTINGS max_block_size = 1`,
  limits: { maxExecutionMs: 120_000 },
};

test("an engine that is killed is started again; calls in flight fail, and may be repeated", async () => {
  const { store, directory, log } = await testStore();
  const pid = await enginePid(directory);
  const inFlight = store.query(long);
  const failed = expect(inFlight).rejects.toMatchObject({
    kind: "unavailable",
    code: "COLUMNAR_UNAVAILABLE",
    retryAfterMs: 500,
  });
  process.kill(pid, "SIGKILL");
  await failed;
  await expect.poll(() => store.health()).toBeUndefined();
  expect(await store.query(one)).toEqual([{ one: 1 }]);
  expect(await enginePid(directory)).not.toBe(pid);
  expect(log.withMessage("columnar engine died")).toMatchObject([{ pid, signal: "SIGKILL" }]);
});

test("the threads on which an engine works go behind those who receive what it stores", async () => {
  const { store, directory } = await testStore();
  await store.query(one);
  const pid = await enginePid(directory);
  const priorities = (await readdir(`/proc/${pid}/task`)).map((thread) => getPriority(Number(thread)));
  expect(getPriority(pid)).toBe(getPriority() + 10);
  // The engine gives one of its own, which watches its memory, another priority if it may.
  const isBehind = (priority: number): boolean => priority === getPriority() + 10;
  expect(priorities.filter(isBehind).length).toBeGreaterThanOrEqual(priorities.length - 1);
});

test("while there is no engine, health says so and calls are refused at once", async () => {
  const { store } = await testStore();
  await store.stop(AbortSignal.timeout(10_000));
  expect(store.health()).toContain("not started");
  await expect(store.query(one)).rejects.toMatchObject({ code: "COLUMNAR_UNAVAILABLE" });
});

test("a stopped store has ended its engine and given its directory back", async () => {
  const { store, directory, again } = await testStore();
  const pid = await enginePid(directory);
  await store.stop(AbortSignal.timeout(10_000));
  expect(await isRunning(pid)).toBe(false);
  const next = again();
  await next.start(AbortSignal.timeout(240_000));
  expect(await next.query(one)).toEqual([{ one: 1 }]);
});

test("an engine does not outlive a service that was killed, and the directory is free at once", async () => {
  await using folder = await tempDir();
  const directory = join(folder.path, "store");
  const { child } = await runFixture("hold-store", [directory]);
  const pid = await enginePid(directory);
  expect(await isRunning(pid)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  // The next holder starts right after it, and waits out what is left of the old engine.
  await runFixture("hold-store", [directory]);
  expect(await enginePid(directory)).not.toBe(pid);
  expect(await isRunning(pid)).toBe(false);
});

test("trap 2: a directory that another process holds is refused, with the process's id", async () => {
  const { directory, again } = await testStore();
  const pid = await enginePid(directory);
  await expect(again().start(AbortSignal.timeout(240_000))).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "COLUMNAR_DIRECTORY_LOCKED",
    details: { pid: String(pid), directory: join(directory, "data") },
  });
  expect(await isRunning(pid)).toBe(true);
});

test("trap 2: more long queries than libuv has threads stop neither the service's files nor other statements", async () => {
  const { store } = await testStore([], { maxConcurrentQueries: 6 });
  const giveUp = new AbortController();
  let finished = 0;
  const queries = Array.from({ length: 5 }, async () => {
    await store.query(long, giveUp.signal);
    finished += 1;
  });
  await readFile(import.meta.filename, "utf8");
  await store.migrate([{ name: "0001_t", statements: ["CREATE TABLE IF NOT EXISTS t (x Int8) ENGINE = Memory"] }]);
  expect(await store.query(one)).toEqual([{ one: 1 }]);
  expect(finished).toBe(0);
  giveUp.abort(new Error("enough"));
  await Promise.allSettled(queries);
  expect(finished).toBe(0);
});

test("an engine that cannot open its directory fails the start with a reason", async () => {
  await using folder = await tempDir();
  await mkdir(join(folder.path, "data/status"), { recursive: true });
  const store = openColumnarStore({
    engine: { kind: "embedded", directory: folder.path },
    logger: createTestLogger().logger,
  });
  await expect(store.start(AbortSignal.timeout(240_000))).rejects.toMatchObject({ code: "COLUMNAR_UNAVAILABLE" });
});
