import { expect, test } from "vitest";
import { createKeyedLock } from "./keyed-lock.ts";

test("holders of one key come one after the other, in order, also after a failure; other keys do not wait", async () => {
  const lock = createKeyedLock();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.hold("a", async () => {
    seen.push("a1 in");
    await gate.promise;
    seen.push("a1 out");
    throw new Error("failed");
  });
  const second = lock.hold("a", async () => void seen.push("a2"));
  const third = lock.hold("a", async () => void seen.push("a3"));
  await lock.hold("b", async () => void seen.push("b"));
  expect(seen).toEqual(["a1 in", "b"]);
  gate.resolve();
  await expect(first).rejects.toThrow("failed");
  await Promise.all([second, third]);
  expect(seen).toEqual(["a1 in", "b", "a1 out", "a2", "a3"]);
  expect(lock.isHeld("a")).toBe(false);
});
