import { expect, test } from "vitest";
import { describeSkew, describeValidity } from "./describe-skew.ts";

test.for([
  [3 * 3_600_000, "3 h ahead"],
  [-(2 * 3_600_000 + 5 * 60_000), "2 h 5 min behind"],
  [90_061_000, "1 d 1 h ahead"],
  [400, "right"],
] as const)("calls %d ms %j", ([skewMs, text]) => {
  expect(describeSkew(skewMs)).toBe(text);
});

const noon = new Date("2026-06-01T12:00:00Z");
const hours = (n: number): Date => new Date(noon.getTime() + n * 3_600_000);

test.for([
  [
    "a measured skew",
    { notBefore: hours(1), notAfter: hours(100), measuredSkewMs: -3 * 3_600_000 },
    "your clock is 3 h behind",
  ],
  [
    "the least that it must be",
    { notBefore: hours(2), notAfter: hours(100), measuredSkewMs: undefined },
    "at least 2 h behind",
  ],
  [
    "both explanations",
    { notBefore: hours(-100), notAfter: hours(-5), measuredSkewMs: 0 },
    "ahead by 5 h or more, or it was not renewed",
  ],
  [
    "a measured skew ahead",
    { notBefore: hours(-100), notAfter: hours(-5), measuredSkewMs: 6 * 3_600_000 },
    "your clock is 6 h ahead",
  ],
] as const)("explains a certificate that is not valid now by %s (R21)", ([, about, text]) => {
  expect(describeValidity({ subject: "the certificate", now: noon, ...about })).toContain(text);
});
