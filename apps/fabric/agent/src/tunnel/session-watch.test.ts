import { setImmediate } from "node:timers/promises";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createSessionWatch, restartAfterMs } from "./session-watch.ts";

/** A watch on a tunnel whose state the test sets, and what it asked for. */
async function openWatch() {
  const clock = new FakeClock();
  const asked: number[] = [];
  const tunnel: { status: "connected" | "waiting" | "refused" } = { status: "waiting" };
  const watch = createSessionWatch({ state: () => tunnel, onOverdue: (ms) => asked.push(ms), clock });
  await watch.start(new AbortController().signal);
  /** Let time pass in the watch's own steps. */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10_000) {
      clock.advance(10_000);
      await setImmediate(); // it has looked, and sleeps again
    }
  }
  return { asked, tunnel, pass, [Symbol.asyncDispose]: () => watch.stop(AbortSignal.timeout(1_000)) };
}

test.each(["waiting", "refused"] as const)(
  "asks for a new process after 30 minutes without a session, %s (R13)",
  async (status) => {
    await using watch = await openWatch();
    watch.tunnel.status = status;
    await watch.pass(restartAfterMs - 10_000);
    expect(watch.asked).toEqual([]);
    await watch.pass(10_000);
    expect(watch.asked).toEqual([restartAfterMs]);
  },
);

test("a session begins the 30 minutes anew (R13)", async () => {
  await using watch = await openWatch();
  await watch.pass(restartAfterMs - 20_000);
  watch.tunnel.status = "connected";
  await watch.pass(10_000);
  watch.tunnel.status = "waiting";
  await watch.pass(restartAfterMs - 10_000);
  expect(watch.asked).toEqual([]);
  await watch.pass(10_000);
  expect(watch.asked).toHaveLength(1);
});
