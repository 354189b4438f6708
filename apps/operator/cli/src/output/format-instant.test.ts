import { expect, test } from "vitest";
import { formatDistance, formatInstant, shortDistance, shortInstant } from "./format-instant.ts";

const now = new Date("2026-11-22T02:00:00Z");

test.each([
  ["2026-11-22T13:58:00Z", "in 11 h 58 min", "in 11 h"],
  ["2026-11-22T01:59:57Z", "3 s ago", "3 s ago"],
  ["2026-11-10T01:00:00Z", "12 d 1 h ago", "12 d ago"],
  ["2026-11-22T02:00:00.900Z", "now", "now"],
  ["nonsense", "-", "-"],
  [null, "-", "-"],
])("%s is %s away, in a table %s", (instant, text, short) => {
  expect(formatDistance(instant, now)).toBe(text);
  expect(shortDistance(instant, now)).toBe(short);
});

test("an instant has its zone and how far away it is", () => {
  expect(formatInstant("2026-11-22T13:58:31Z", now, "UTC")).toBe("2026-11-22 13:58:31 UTC (in 11 h 58 min)");
  expect(shortInstant("2026-11-22T13:58:31Z", now, "Asia/Tokyo")).toBe("2026-11-22 22:58 GMT+9 (in 11 h)");
  expect(formatInstant(undefined, now)).toBe("-");
});
