import { expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";

test("stands still until it is advanced, and wakes sleepers in order of their time", async () => {
  const clock = new FakeClock(new Date("2026-03-01T00:00:00Z"));
  const woken: string[] = [];
  const sleeps = [
    clock.sleep(2_000).then(() => woken.push("late")),
    clock.sleep(1_000).then(() => woken.push("early")),
  ];
  await clock.waitForSleep(2);
  expect(clock.sleepingMs).toEqual([1_000, 2_000]);
  clock.advance(999);
  await Promise.resolve();
  expect(woken).toEqual([]);
  clock.advance(1_001);
  await Promise.all(sleeps);
  expect(woken).toEqual(["early", "late"]);
  expect(clock.now()).toEqual(new Date("2026-03-01T00:00:02Z"));
  expect(clock.monotonicMs()).toBe(2_000);
});

test("waits for the code under test to come to its pause", async () => {
  const clock = new FakeClock();
  const waiting = clock.waitForSleep();
  void clock.sleep(5);
  await waiting;
  clock.advance(5);
  expect(clock.sleepingMs).toEqual([]);
});

test("ends a sleep when its signal aborts, and forgets it", async () => {
  const clock = new FakeClock();
  const stopping = new AbortController();
  const sleep = clock.sleep(1_000, stopping.signal);
  stopping.abort(new Error("stopping"));
  await expect(sleep).rejects.toThrow("stopping");
  expect(clock.sleepingMs).toEqual([]);
  await expect(clock.sleep(1, stopping.signal)).rejects.toThrow("stopping");
});

test("jumps on the wall clock without anybody noticing time pass", () => {
  const clock = new FakeClock();
  void clock.sleep(1_000);
  clock.jumpTo(new Date("2030-01-01T00:00:00Z"));
  expect(clock.now().getUTCFullYear()).toBe(2030);
  expect(clock.monotonicMs()).toBe(0);
  expect(clock.sleepingMs).toEqual([1_000]);
});
