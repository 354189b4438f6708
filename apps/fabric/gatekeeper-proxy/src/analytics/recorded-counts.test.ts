import { join } from "node:path";
import { tempDir } from "@drawbridge/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openRecordedCounts, readRecordedCounts, readThreadCount, ThreadCount } from "./recorded-counts.ts";

let folder: Awaited<ReturnType<typeof tempDir>>;
let path = "";
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, "analytics", "recorded");
});
afterEach(() => folder[Symbol.asyncDispose]());

const noon = Date.UTC(2026, 10, 22, 12);
const requests = (): number => readRecordedCounts(path)?.requests ?? -1;

test("the count on the disk is never below what was recorded and what is under way, and hardly above (ANA 1)", () => {
  const { fd } = openRecordedCounts(path, 1);
  const count = new ThreadCount({ fd, thread: 0, nowMs: noon });
  for (let recorded = 0; recorded < 200; recorded += 1) {
    count.begin();
    expect(requests()).toBeGreaterThan(recorded);
    count.end();
    count.record();
    expect(requests()).toBeLessThanOrEqual(recorded + 1 + 32);
  }
  count.begin();
  count.tick(1, noon + 100);
  expect(requests()).toBe(201);
  count.end(); // it was not recorded after all
  count.tick(0, noon + 200);
  expect(requests()).toBe(200);
});

test("counts of all threads and processes add up, and a thread goes on where the one before it fell", () => {
  const first = openRecordedCounts(path, 2);
  expect(first.before).toBeUndefined();
  for (const thread of [0, 1]) {
    const count = new ThreadCount({ fd: first.fd, thread, nowMs: noon });
    for (let index = 0; index < 10; index += 1) count.record();
    count.tick(0, noon);
  }
  const successor = new ThreadCount({ fd: first.fd, thread: 1, nowMs: noon });
  successor.record();
  successor.tick(0, noon);
  expect(readThreadCount(first.fd, 1).requests).toBe(11);
  expect(requests()).toBe(21);
  const fewer = openRecordedCounts(path, 1);
  expect(fewer.before?.requests).toBe(21);
  expect(requests()).toBe(21);
});

test("times are those of what was in memory, not of a thread that had nothing to do", () => {
  const { fd } = openRecordedCounts(path, 2);
  const idle = new ThreadCount({ fd, thread: 0, nowMs: noon });
  idle.record();
  idle.tick(0, noon + 100);
  const busy = new ThreadCount({ fd, thread: 1, nowMs: noon });
  busy.tick(0, noon + 3_600_000);
  busy.record();
  expect(readRecordedCounts(path)).toMatchObject({ fromMs: noon + 3_600_000, toMs: noon + 3_600_100 });
});
