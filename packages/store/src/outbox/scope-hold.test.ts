import { expect, test } from "vitest";
import { createScopeHold } from "./scope-hold.ts";

function holdAt(start: number) {
  const time = { nowMs: start };
  const clock = { now: () => new Date(time.nowMs), monotonicMs: () => time.nowMs, sleep: () => Promise.resolve() };
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  // The longest delay of full jitter.
  return { time, hold: createScopeHold({ clock, random: { next: () => 1 }, logger: quiet }) };
}

test("holds a scope longer with each failure, up to a minute", () => {
  const { time, hold } = holdAt(0);
  const heldForMs: number[] = [];
  for (let failure = 0; failure < 9; failure += 1) {
    hold.failed("bad", new Error("refused"));
    const start = time.nowMs;
    while (hold.heldScopes().includes("bad")) time.nowMs += 500;
    heldForMs.push(time.nowMs - start);
  }
  expect(heldForMs).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test("forgets old failures", () => {
  const { time, hold } = holdAt(0);
  hold.failed("bad", new Error("refused"));
  hold.failed("bad", new Error("refused"));
  time.nowMs += 15 * 60_000;
  expect(hold.heldScopes()).toEqual([]);
  hold.failed("bad", new Error("refused"));
  time.nowMs += 1_000;
  expect(hold.heldScopes()).toEqual([]);
});
