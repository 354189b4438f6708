import { expect, test } from "vitest";
import { countSince } from "./counter-baselines.ts";

const minute = 60_000;
const hour = 60 * minute;
const at = (timeMs: number, value: number, startMs = hour) => ({ startMs, timeMs, value, count: value });
const counted = (value: number, intervalMs: number) => ({
  outcome: "counted",
  increment: { value, count: value, intervalMs },
});

test.each([
  ["what it moved", at(2 * hour, 100), at(2 * hour + minute, 130), counted(30, minute)],
  ["nothing, if it did not move", at(2 * hour, 100), at(2 * hour + minute, 100), counted(0, minute)],
  ["all since its new start", at(2 * hour, 100), at(2 * hour + minute, 130, 2 * hour + 1), counted(130, minute - 1)],
  ["all, if it is smaller", at(2 * hour, 100), at(2 * hour + minute, 5), counted(5, minute)],
  ["all of a young one that is new", undefined, at(hour + 10 * minute, 7), counted(7, 10 * minute)],
  ["nothing of an old one that is new", undefined, at(hour + 10 * minute + 1, 7), { outcome: "first" }],
  ["nothing of a new one without a start", undefined, at(1, 7, 0), { outcome: "first" }],
  ["nothing at the same time again", at(2 * hour, 100), at(2 * hour, 130), { outcome: "stale" }],
  ["nothing of what is older", at(2 * hour, 100), at(2 * hour - 1, 90), { outcome: "stale" }],
])("a cumulative counter counts %s (MON)", (_what, before, now, step) => {
  expect(countSince(before, now)).toEqual(step);
});

test("a histogram that has fewer values but a larger sum began anew", () => {
  const before = { startMs: 0, timeMs: 1, value: 10, count: 100 };
  const now = { startMs: 0, timeMs: 2, value: 20, count: 3 };
  expect(countSince(before, now)).toEqual({ outcome: "counted", increment: { value: 20, count: 3, intervalMs: 1 } });
});
