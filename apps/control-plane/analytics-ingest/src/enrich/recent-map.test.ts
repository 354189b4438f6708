import { expect, test } from "vitest";
import { RecentMap } from "./recent-map.ts";

test("keeps what is asked for, however much else comes, and never more than twice its size", () => {
  const map = new RecentMap<number, string>(10);
  map.set(-1, "asked for");
  for (let key = 0; key < 1_000; key += 1) {
    map.set(key, "once");
    expect(map.get(-1)).toBe("asked for");
  }
  const kept = Array.from({ length: 1_000 }, (_, key) => map.get(key)).filter((value) => value !== undefined);
  expect(kept.length).toBeLessThanOrEqual(20);
});
