import { expect, test } from "vitest";
import { NumberMap } from "./number-map.ts";

test("tells what was set last for a key, through every growth, and nothing for others", () => {
  const map = new NumberMap();
  const keys = Array.from({ length: 20_000 }, (_, index) => (index * 4_096) % 2 ** 32); // alike in their low bits
  for (const key of keys) map.set(key, key === 0 ? 7 : 1);
  for (const [index, key] of keys.entries()) map.set(key, index);
  expect(keys.map((key) => map.get(key))).toEqual(keys.map((_, index) => index));
  expect(map.get(1)).toBeUndefined();
  map.clear();
  expect(map.get(0)).toBeUndefined();
});
