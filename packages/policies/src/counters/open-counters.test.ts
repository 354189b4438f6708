import { expect, test } from "vitest";
import { createCounterStorage, restoreCounterStorage } from "./counter-storage.ts";
import { openCounters } from "./open-counters.ts";

const start = Date.UTC(2026, 0, 1);

function counters(entries = 1_024, nowMs: () => number = () => start) {
  return openCounters(createCounterStorage(entries), nowMs);
}

test("allows exactly as many in a window as the limit says, and counts nothing above it", () => {
  const counter = counters().counter("policy/0");
  const taken = Array.from({ length: 5 }, () => counter.take("client", 7, 3, start + 1_000));
  expect(taken).toEqual([
    { isAllowed: true, count: 1 },
    { isAllowed: true, count: 2 },
    { isAllowed: true, count: 3 },
    { isAllowed: false, count: 3 },
    { isAllowed: false, count: 3 },
  ]);
  expect(counter.read("client", 7)).toBe(3);
});

test("windows, subjects and counters are counted apart", () => {
  const all = counters();
  const counter = all.counter("policy/0");
  counter.take("client", 7, 3, start + 1_000);
  expect(counter.read("client", 8)).toBe(0);
  expect(counter.read("other", 7)).toBe(0);
  expect(all.counter("policy/1").read("client", 7)).toBe(0);
  expect(all.counter("policy/0").read("client", 7)).toBe(1);
});

test("a limit of nothing allows nothing and takes no room", () => {
  const counter = counters().counter("policy/0");
  expect(counter.take("client", 1, 0, start)).toEqual({ isAllowed: false, count: 0 });
  expect(counter.take("client", 1, -3, start)).toEqual({ isAllowed: false, count: 0 });
});

test("when it is full, what ends first is forgotten and counted as forgotten", () => {
  const all = counters(8);
  const counter = all.counter("policy/0");
  counter.take("short", 1, 10, start + 2_000);
  for (let one = 0; one < 7; one += 1) counter.take(`long ${one}`, 1, 10, start + 3_600_000);
  expect(all.evictions()).toBe(0);
  counter.take("one more", 1, 10, start + 3_600_000);
  expect(all.evictions()).toBe(1);
  expect(counter.read("short", 1)).toBe(0);
  for (let one = 0; one < 7; one += 1) expect(counter.read(`long ${one}`, 1)).toBe(1);
});

test("room of windows that have ended is used again without forgetting anything", () => {
  let nowMs = start;
  const all = counters(8, () => nowMs);
  const counter = all.counter("policy/0");
  for (let window = 0; window < 1_000; window += 1) {
    for (const subject of ["a", "b", "c"]) counter.take(subject, window, 10, nowMs + 1_000);
    nowMs += 1_000;
  }
  expect(all.evictions()).toBe(0);
});

test("counts are in the memory: another view of it goes on where the first stopped, also from a copy on disk", () => {
  const storage = createCounterStorage(64);
  const name = "policy/0";
  openCounters(storage, () => start)
    .counter(name)
    .take("client", 1, 5, start + 60_000);
  const restored = restoreCounterStorage(Uint8Array.from(new Uint8Array(storage)), 64);
  if (restored === undefined) throw new Error("the copy was refused");
  for (const memory of [storage, restored]) {
    const counter = openCounters(memory, () => start).counter(name);
    expect(counter.take("client", 1, 2, start + 60_000)).toEqual({ isAllowed: true, count: 2 });
    expect(counter.take("client", 1, 2, start + 60_000)).toEqual({ isAllowed: false, count: 2 });
  }
});

test.each([0, 3, 64, 65])("bytes that are no saved counters are refused: %i of them", (length) => {
  expect(restoreCounterStorage(new Uint8Array(length), 64)).toBeUndefined();
});

test("saved counters of another size are refused", () => {
  const saved = Uint8Array.from(new Uint8Array(createCounterStorage(64)));
  expect(restoreCounterStorage(saved, 128)).toBeUndefined();
  expect(restoreCounterStorage(saved, 64)).toBeDefined();
});

test("a lock that was left by a thread that died is taken over after seconds", () => {
  const storage = createCounterStorage(8);
  const words = new Int32Array(storage);
  let nowMs = start;
  // The only bucket's lock follows the header of 16 words.
  words[16] = Math.floor(start / 1_000);
  nowMs += 10_000;
  const counter = openCounters(storage, () => nowMs).counter("policy/0");
  expect(counter.take("client", 1, 5, nowMs + 1_000)).toEqual({ isAllowed: true, count: 1 });
  expect(words[16]).toBe(0);
});

test("subjects that were never counted stand at nothing, whatever their length", () => {
  const counter = counters().counter("policy/0");
  for (const subject of ["", "x".repeat(8_192), "ü"]) expect(counter.read(subject, 1)).toBe(0);
});
