import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createTimeLimits } from "./time-limits.ts";

test("a limit that was reached is told once, and one that was taken back is not", async () => {
  const clock = new FakeClock();
  const limits = createTimeLimits(clock);
  const late: string[] = [];
  await limits.start(new AbortController().signal);
  limits.add(1_000, () => late.push("short"));
  limits.add(5_000, () => late.push("long"));
  const takeBack = limits.add(1_000, () => late.push("taken back"));
  takeBack();
  await clock.waitForSleep();
  clock.advance(900);
  await clock.waitForSleep();
  expect(late).toEqual([]);
  clock.advance(250);
  await clock.waitForSleep();
  clock.advance(250);
  await clock.waitForSleep();
  expect(late).toEqual(["short"]);
  await limits.stop(AbortSignal.abort());
});
