import { expect, test } from "vitest";
import { BoundedCache } from "./bounded-cache.ts";

test("an entry is valid up to but not including its end", () => {
  const cache = new BoundedCache<string>(10);
  cache.set("a", "one", 1_000);
  expect([cache.get("a", 999), cache.get("a", 1_000), cache.get("a", 0)]).toEqual(["one", undefined, undefined]);
});

test("never holds more than it may, and keeps what was used lately", () => {
  const cache = new BoundedCache<number>(100);
  for (let one = 0; one < 10_000; one += 1) {
    cache.set(`key ${one}`, one, 10);
    expect(cache.get("key 0", 0)).toBe(0);
    expect(cache.size).toBeLessThanOrEqual(100);
  }
  for (let one = 9_951; one < 10_000; one += 1) expect(cache.get(`key ${one}`, 0)).toBe(one);
  expect(cache.get("key 5000", 0)).toBeUndefined();
});

test("a value that is set again is the new one, in whichever generation the old one was", () => {
  const cache = new BoundedCache<number>(4);
  cache.set("a", 1, 10);
  for (const other of ["b", "c", "d"]) cache.set(other, 0, 10);
  cache.set("a", 2, 10);
  expect(cache.get("a", 0)).toBe(2);
  cache.delete("a");
  expect(cache.get("a", 0)).toBeUndefined();
  cache.clear();
  expect(cache.size).toBe(0);
});
