import { expect, test } from "vitest";
import { clampTimeMs } from "./clamp-time.ts";

const received = Date.UTC(2026, 0, 15);
const minute = 60_000;
const day = 1_440 * minute;

test.each([
  ["as it was told", received - minute, received - minute],
  ["as it was told, a little early", received + 5 * minute, received + 5 * minute],
  ["when it was received, if it cannot have been yet", received + 5 * minute + 1, received],
  ["when it was received, if it is in another century", received + 36_500 * day, received],
  ["as it was told, seven days ago", received - 7 * day, received - 7 * day],
  ["seven days ago, if it is older", 0, received - 7 * day],
])("a request happened %s", (_rule, told, stored) => {
  expect(clampTimeMs(told, received)).toBe(stored);
});
