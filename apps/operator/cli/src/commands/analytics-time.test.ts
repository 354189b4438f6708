import { expect, test } from "vitest";
import { timeRange } from "./analytics-time.ts";

const now = new Date("2026-11-22T12:00:00Z");

test.each([
  [{ since: 3_600_000, timeZone: "UTC" }, "2026-11-22T11:00:00.000Z", "2026-11-22T12:00:00.000Z"],
  [
    { since: 1, from: "2026-03-29", to: "2026-03-30", timeZone: "Europe/Berlin" },
    "2026-03-28T23:00:00.000Z",
    "2026-03-29T22:00:00.000Z",
  ],
  [
    { since: 1, from: "2026-10-25", to: "2026-10-26", timeZone: "Europe/Berlin" },
    "2026-10-24T22:00:00.000Z",
    "2026-10-25T23:00:00.000Z",
  ],
  [
    { since: 1, from: "2026-01-01", timeZone: "Asia/Kathmandu" },
    "2025-12-31T18:15:00.000Z",
    "2026-11-22T12:00:00.000Z",
  ],
  [
    { since: 1, from: "2026-01-01T00:00:00+05:30", timeZone: "UTC" },
    "2025-12-31T18:30:00.000Z",
    "2026-11-22T12:00:00.000Z",
  ],
])("%j is from %s to %s (ANA 3)", (options, from, to) => {
  expect(timeRange(options, now)).toEqual({ from, to });
});
