import { expect, test } from "vitest";
import { renewAtOf, retryCeilingMs, urgencyOf } from "./renewal-schedule.ts";

const start = new Date("2026-06-01T00:00:00Z");
const day = 86_400_000;
const at = (ms: number): Date => new Date(start.getTime() + ms);
const certificate = (serialNumber: string, lifeMs = 7 * day) => ({
  serialNumber,
  notBefore: start.toISOString(),
  notAfter: at(lifeMs).toISOString(),
  createdAt: start.toISOString(),
});

test("renews at half of the life plus or minus a tenth, the same instant at every look (REN 1, R6)", () => {
  const instants = Array.from({ length: 200 }, (_, index) => renewAtOf(certificate(`serial-${index}`)).getTime());
  expect(Math.min(...instants)).toBeGreaterThanOrEqual(at(2.8 * day).getTime());
  expect(Math.max(...instants)).toBeLessThanOrEqual(at(4.2 * day).getTime());
  expect(new Set(instants).size).toBeGreaterThan(190);
  expect(renewAtOf(certificate("serial-1"))).toEqual(renewAtOf(certificate("serial-1")));
});

test("ten seconds of life, dated back by five minutes, are renewed within them (drill)", () => {
  const drill = { ...certificate("a", 310_000), createdAt: at(300_000).toISOString() };
  expect(renewAtOf(drill).getTime()).toBeGreaterThan(at(303_900).getTime());
  expect(renewAtOf(drill).getTime()).toBeLessThan(at(306_000).getTime());
});

test("alerts at a quarter and at a tenth of the life left (R6)", () => {
  const shares = [0.74, 0.75, 0.89, 0.9, 1];
  expect(shares.map((share) => urgencyOf(certificate("a", 1_000_000), at(share * 1_000_000)))).toEqual([
    "fine",
    "expiring",
    "expiring",
    "critical",
    "expired",
  ]);
});

test("backs off from 10 s to 10 min, and tries several times within the life that is left", () => {
  const far = [1, 2, 3, 7, 50].map((failures) => retryCeilingMs({ failures, leftMs: 7 * day }));
  expect(far).toEqual([10_000, 20_000, 40_000, 600_000, 600_000]);
  expect(retryCeilingMs({ failures: 9, leftMs: 8_000 })).toBe(2_000);
  expect(retryCeilingMs({ failures: 1, leftMs: -1 })).toBe(10_000);
});
