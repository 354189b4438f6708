import { cryptoRandom, fullJitterDelayMs, uuidV7Ids } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";

const always = (value: number) => ({ next: () => value });

test.each([
  { attempt: 0, ceilingMs: 1_000 },
  { attempt: 1, ceilingMs: 2_000 },
  { attempt: 5, ceilingMs: 32_000 },
  { attempt: 6, ceilingMs: 60_000 },
  { attempt: 5_000, ceilingMs: 60_000 },
])("the delay before retry $attempt lies between nothing and $ceilingMs ms", ({ attempt, ceilingMs }) => {
  const delay = (value: number): number =>
    fullJitterDelayMs({ attempt, baseMs: 1_000, capMs: 60_000, random: always(value) });
  expect(delay(0)).toBe(0);
  expect(delay(0.5)).toBe(ceilingMs / 2);
  expect(delay(1)).toBe(ceilingMs);
});

test("jitter comes after the cap: at the cap delays still differ (R13)", () => {
  const delay = (value: number): number =>
    fullJitterDelayMs({ attempt: 30, baseMs: 1_000, capMs: 60_000, random: always(value) });
  expect(delay(0.1)).not.toBe(delay(0.9));
});

test("the floor holds, but never above the ceiling", () => {
  const options = { attempt: 0, baseMs: 100, capMs: 60_000, random: always(0) };
  expect(fullJitterDelayMs({ ...options, floorMs: 50 })).toBe(50);
  expect(fullJitterDelayMs({ ...options, floorMs: 500 })).toBe(100);
});

test("random numbers lie in [0, 1)", () => {
  for (let index = 0; index < 1_000; index += 1) {
    const value = cryptoRandom.next();
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(1);
  }
});

test("ids sort by the time at which they were made", () => {
  const ids = Array.from({ length: 100 }, () => uuidV7Ids.next());
  expect(ids.map((id) => id.slice(0, 13))).toEqual(ids.map((id) => id.slice(0, 13)).toSorted());
  expect(new Set(ids).size).toBe(100);
});
