import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestLogger } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { createBatchQueue, type BatchQueue } from "./batch-queue.ts";

const hour = 3_600_000;

function aFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), "drawbridge-queue-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** A process's look at the folder; `nowMs` can be moved. */
async function openQueue(directory: string, bounds: { readonly maxBytes?: number; readonly nowMs?: number } = {}) {
  const dropped: (readonly [string, number])[] = [];
  const time = { nowMs: bounds.nowMs ?? 1_000_000_000_000 };
  const queue = createBatchQueue({
    directory,
    maxBytes: bounds.maxBytes ?? 1_000_000,
    maxAgeMs: 24 * hour,
    onDropped: (reason, dataPoints) => void dropped.push([reason, dataPoints]),
    clock: { now: () => new Date(time.nowMs) },
    logger: createTestLogger().logger,
  });
  await queue.open();
  return { queue, dropped, time };
}

const aBatch = (text: string, dataPoints = 1) => ({ content: Buffer.from(text), dataPoints });
const batchFiles = (directory: string): readonly string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".batch"))
    .toSorted();

/** Take all that is there, as an exporter does. */
async function drain(queue: BatchQueue): Promise<readonly string[]> {
  const taken: string[] = [];
  for (let batch = await queue.first(); batch !== undefined; batch = await queue.first()) {
    taken.push(batch.content.toString());
    await queue.remove(batch.sequence);
  }
  return taken;
}

test("gives what an earlier process left, oldest first, and goes on counting behind it", async () => {
  const directory = aFolder();
  const { queue } = await openQueue(directory);
  for (const text of ["a", "b", "c"]) await queue.append([aBatch(text)], text);
  const { queue: next } = await openQueue(directory);
  expect(next.checkpoint()).toBe("c");
  await next.append([aBatch("d")], "d");
  expect(await drain(next)).toEqual(["a", "b", "c", "d"]);
  expect(batchFiles(directory)).toEqual([]);
  const { queue: last } = await openQueue(directory);
  await last.append([aBatch("e")], "e");
  expect(batchFiles(directory)[0]).toMatch(/^000000000004-/); // a number is never used again
});

test("drops the oldest where the bytes are too many, and says what", async () => {
  const { queue, dropped } = await openQueue(aFolder(), { maxBytes: 250 });
  for (const letter of ["a", "b", "c", "d"]) await queue.append([aBatch(letter.repeat(80), 7)], letter);
  expect(dropped).toEqual([
    ["queue_full", 7],
    ["queue_full", 7],
  ]);
  expect((await drain(queue)).map((text) => text[0])).toEqual(["c", "d"]);
});

test("drops what is too old: while it runs, and what it finds", async () => {
  const directory = aFolder();
  const { queue, dropped, time } = await openQueue(directory);
  await queue.append([aBatch("old", 3)], "1");
  time.nowMs += 23 * hour;
  await queue.append([aBatch("newer", 4)], "2");
  time.nowMs += 2 * hour;
  await queue.expire();
  expect(dropped).toEqual([["too_old", 3]]);
  const later = await openQueue(directory, { nowMs: time.nowMs + 23 * hour });
  expect(later.dropped).toEqual([["too_old", 4]]);
  expect(await later.queue.first()).toBeUndefined();
});

test.each([
  ["cut short", (path: string) => truncateSync(path, 9)],
  ["emptied", (path: string) => writeFileSync(path, "")],
  ["changed", (path: string) => writeFileSync(path, readFileSync(path).fill(120, 14, 15))],
])("sets a file that was %s aside, counts it, and gives the next", async (_, damage) => {
  const directory = aFolder();
  const { queue } = await openQueue(directory);
  await queue.append([aBatch("first one", 5)], "1");
  await queue.append([aBatch("second one")], "2");
  damage(join(directory, batchFiles(directory)[0] ?? ""));
  const { queue: next, dropped } = await openQueue(directory);
  expect(await drain(next)).toEqual(["second one"]);
  expect(dropped).toEqual([["damaged", 5]]);
  expect(readdirSync(directory).filter((name) => name.endsWith(".damaged"))).toHaveLength(1);
});

test("a process that ended before all batches of a sample were written has written none, and moved no checkpoint", async () => {
  const directory = aFolder();
  const { queue } = await openQueue(directory);
  await queue.append([aBatch("a")], "1");
  await queue.append([aBatch("b"), aBatch("c")], "2");
  // As a kill -9 leaves it after the first of two files.
  const [, , third = ""] = batchFiles(directory);
  writeFileSync(join(directory, "checkpoint.pending.json"), JSON.stringify({ first: 1, next: 3, data: "2" }));
  writeFileSync(join(directory, "checkpoint.json"), JSON.stringify({ first: 0, next: 1, data: "1" }));
  rmSync(join(directory, third));
  writeFileSync(join(directory, `${third}.tmp`), "half");
  const { queue: next } = await openQueue(directory);
  expect(next.checkpoint()).toBe("1");
  expect(await drain(next)).toEqual(["a"]);
  expect(readdirSync(directory)).toEqual(["checkpoint.json"]);
});

test("a process that ended when all batches were written has also moved the checkpoint", async () => {
  const directory = aFolder();
  const { queue } = await openQueue(directory);
  await queue.append([aBatch("a")], "1");
  await queue.append([aBatch("b"), aBatch("c")], "2");
  writeFileSync(join(directory, "checkpoint.pending.json"), JSON.stringify({ first: 1, next: 3, data: "2" }));
  writeFileSync(join(directory, "checkpoint.json"), JSON.stringify({ first: 0, next: 1, data: "1" }));
  const { queue: next } = await openQueue(directory);
  expect(next.checkpoint()).toBe("2");
  expect(await drain(next)).toEqual(["a", "b", "c"]);
});

test("a checkpoint without batches counts too, and one that makes no sense is none", async () => {
  const directory = aFolder();
  const { queue } = await openQueue(directory);
  await queue.append([], "nothing ran");
  expect((await openQueue(directory)).queue.checkpoint()).toBe("nothing ran");
  writeFileSync(join(directory, "checkpoint.json"), "{");
  expect((await openQueue(directory)).queue.checkpoint()).toBeUndefined();
});

test("what cannot be written leaves nothing behind, and what is there already stays", async () => {
  const directory = aFolder();
  const { queue } = await openQueue(directory);
  await queue.append([aBatch("a")], "1");
  rmSync(directory, { recursive: true });
  writeFileSync(directory, "a file where the folder was");
  await expect(queue.append([aBatch("b")], "2")).rejects.toThrow();
  expect(queue.checkpoint()).toBe("1");
  rmSync(directory);
  await queue.append([aBatch("c")], "3");
  expect(queue.checkpoint()).toBe("3");
});
