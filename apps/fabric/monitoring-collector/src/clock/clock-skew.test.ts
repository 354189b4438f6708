import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createClockSkew, describeSkew } from "./clock-skew.ts";

const hourMs = 3_600_000;

function aSkew() {
  const clock = new FakeClock();
  const said: string[] = [];
  const say = (_fields: object, message?: string): void => void said.push(message ?? "");
  return { clock, said, skew: createClockSkew({ clock, logger: { warn: say, info: say } }) };
}

test("the skew is measured against the middle of the exchange, and corrects our time (R21)", () => {
  const { clock, skew } = aSkew();
  const sentAt = clock.now();
  const receivedAt = new Date(sentAt.getTime() + 2_000);
  skew.observe({ serverTime: new Date(sentAt.getTime() + 1_000 - 3 * hourMs), sentAt, receivedAt });
  expect(skew.measuredMs()).toBe(3 * hourMs);
  expect(skew.correctedNow().getTime()).toBe(clock.now().getTime() - 3 * hourMs);
  expect(skew.remark()).toContain("3 h ahead");
});

test("warned of from 60 s on, once, and once when it is right again (R21)", () => {
  const { clock, skew, said } = aSkew();
  const now = clock.now();
  const observe = (skewMs: number): void =>
    skew.observe({ serverTime: new Date(now.getTime() - skewMs), sentAt: now, receivedAt: now });
  for (const skewMs of [59_999, 60_000, 70_000, 59_999, 0]) observe(skewMs);
  expect(said).toHaveLength(2);
  expect(skew.remark()).toBe("");
});

test("nothing is said of a clock that was never measured", () => {
  expect(aSkew().skew.remark()).toBe("");
});

test.each([
  [3 * hourMs, "3 h ahead"],
  [-90_000, "2 min behind"],
  [40 * 24 * hourMs, "40 d ahead"],
  [-5_000, "5 s behind"],
])("describes %d ms as %s", (skewMs, text) => {
  expect(describeSkew(skewMs)).toBe(text);
});
