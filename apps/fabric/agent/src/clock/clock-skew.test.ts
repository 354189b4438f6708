import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createAlertBoard } from "../alerts/alert-board.ts";
import { createClockSkew } from "./clock-skew.ts";

const noon = new Date("2026-06-01T12:00:00Z");
const hour = 3_600_000;

function world(initialMs?: number) {
  const clock = new FakeClock(noon);
  const alerts = createAlertBoard({ clock });
  const skew = createClockSkew({ initialMs, clock, alerts, store: () => undefined });
  return { clock, alerts, skew };
}

test("after a jump it may be either time, until the control plane says which (R21)", () => {
  const { clock, skew } = world();
  skew.observe(noon);
  clock.jumpTo(new Date(noon.getTime() + 3 * hour));
  skew.noteJump(3 * hour);
  expect(skew.possibleNows()).toEqual([new Date(noon.getTime() + 3 * hour), noon]);
  skew.observe(noon); // it was set, not suspended
  expect(skew.possibleNows()).toEqual([noon]);
});

test("a skew that an earlier process measured may have been set right since", () => {
  const { skew } = world(2 * hour);
  expect(skew.possibleNows()).toEqual([new Date(noon.getTime() - 2 * hour), noon]);
});

test("warns and calls the clock not synced by the thresholds that the control plane names (R21)", () => {
  const { alerts, skew } = world();
  skew.observe(new Date(noon.getTime() - 30_000));
  expect([alerts.list(), skew.isSynced()]).toEqual([[], true]);
  skew.setThresholds({ warnMs: 10_000, failMs: 20_000 });
  expect(alerts.list()).toMatchObject([{ reason: "ClockSkew", message: expect.stringContaining("30 s ahead") }]);
  expect(skew.isSynced()).toBe(false);
});
