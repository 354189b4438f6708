import { systemClock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";

test("a sleep ends at once with the signal's own reason when it aborts", async () => {
  const reason = new Error("stopping");
  const stopping = new AbortController();
  const slept = systemClock.sleep(60_000, stopping.signal);
  stopping.abort(reason);
  await expect(slept).rejects.toBe(reason);
});

test("a sleep that begins after the abort does not begin", async () => {
  const reason = new Error("stopped");
  await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test("a sleep of no length or less ends", async () => {
  await systemClock.sleep(0);
  await systemClock.sleep(-5);
});

test("a sleep longer than a timer can hold does not end at once", async () => {
  const stopping = new AbortController();
  const long = systemClock.sleep(2 ** 31 + 1_000, stopping.signal).then(
    () => "ended",
    () => "stopped",
  );
  await systemClock.sleep(5); // setTimeout with such a delay would have fired after 1 ms
  stopping.abort(new Error("enough"));
  expect(await long).toBe("stopped");
});

test("monotonic time does not go back", () => {
  const first = systemClock.monotonicMs();
  expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(first);
});
