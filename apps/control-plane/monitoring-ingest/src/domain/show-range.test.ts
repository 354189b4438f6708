import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { showRange } from "./show-range.ts";

const now = new Date("2026-06-01T12:34:56.789Z");
const before = (ms: number): Date => new Date(now.getTime() - ms);
const hour = 3_600_000;
const day = 24 * hour;
const asked = { from: undefined, to: undefined, stepSeconds: 0 };

test("an hour in sixty samples' steps is what is shown unless it is asked otherwise (MON)", () => {
  expect(showRange(asked, now)).toEqual({ from: before(hour), to: now, stepMs: 60_000, source: "samples" });
});

test.each([
  [hour / 10, 10_000, "samples"],
  [4 * hour, 240_000, "samples"],
  [6 * hour, 600_000, "roll-up"],
  [7 * day, 10_200_000, "roll-up"],
  [399 * day, day, "roll-up"],
])("%i ms have steps of %i ms out of the %s", (lengthMs, stepMs, source) => {
  const range = showRange({ ...asked, from: before(lengthMs) }, now);
  expect(range).toMatchObject({ stepMs, source });
});

test("steps out of the roll-up begin with its buckets", () => {
  const { from } = showRange({ ...asked, stepSeconds: 300 }, now);
  expect(from.toISOString()).toBe("2026-06-01T11:30:00.000Z");
});

test.each([
  ["from", { from: now, to: now }],
  ["from", { from: new Date(now.getTime() + 1) }],
  ["step", { stepSeconds: 9 }],
  ["step", { stepSeconds: 86_700, from: before(9 * day) }],
  ["step", { stepSeconds: 301 }],
  ["step", { stepSeconds: 10, from: before(5 * hour) }],
  ["from", { stepSeconds: 299, from: before(30 * day + 1) }],
  ["from", { stepSeconds: 86_400, from: before(400 * day + 1) }],
])("refuses a question with a wrong %s: %o", (field, change) => {
  let code: unknown;
  try {
    showRange({ ...asked, ...change }, now);
  } catch (error) {
    if (isDrawbridgeError(error)) code = [error.code, Object.keys(error.details)];
  }
  expect(code).toEqual(["MONITORING_QUERY_INVALID", [`field:${field}`]]);
});
