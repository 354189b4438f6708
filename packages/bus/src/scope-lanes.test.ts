import { expect, test } from "vitest";
import { createScopeLanes } from "./scope-lanes.ts";

test("runs work of one scope in order and one at a time", async () => {
  const lanes = createScopeLanes(10);
  const log: string[] = [];
  const first = Promise.withResolvers<void>();
  await lanes.add("a", async () => {
    log.push("first begins");
    await first.promise;
    log.push("first ends");
  });
  await lanes.add("a", () => Promise.resolve(void log.push("second")));
  await lanes.add("b", () => Promise.resolve(void log.push("other scope")));
  await Promise.resolve();
  first.resolve();
  await lanes.idle();
  expect(log).toEqual(["first begins", "other scope", "first ends", "second"]);
});

test("takes no more than its limit until something is done", async () => {
  const lanes = createScopeLanes(2);
  const gate = Promise.withResolvers<void>();
  await lanes.add("a", () => gate.promise);
  await lanes.add("b", () => gate.promise);
  let isAdded = false;
  const third = lanes.add("c", () => Promise.resolve()).then(() => (isAdded = true));
  await new Promise(setImmediate);
  expect(isAdded).toBe(false);
  gate.resolve();
  await third;
  await lanes.idle();
});
