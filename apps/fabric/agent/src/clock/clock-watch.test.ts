import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createClockWatch, lookMs } from "./clock-watch.ts";

const day = 86_400_000;

test("tells a suspend or a clock that was set, and not the time that goes by (R21)", async () => {
  const clock = new FakeClock();
  const jumps: number[] = [];
  const watch = createClockWatch({ clock, logger: createTestLogger().logger, onJump: (jumpMs) => jumps.push(jumpMs) });
  await watch.start(new AbortController().signal);
  const look = async (setByMs: number): Promise<void> => {
    await clock.waitForSleep();
    clock.jumpTo(new Date(clock.now().getTime() + setByMs));
    clock.advance(lookMs);
    await clock.waitForSleep();
  };
  for (const setByMs of [0, 40 * day, 1_000, -3_600_000]) await look(setByMs);
  expect(jumps).toEqual([40 * day, -3_600_000]);
  await watch.stop(new AbortController().signal);
});
