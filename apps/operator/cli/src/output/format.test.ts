import { expect, test } from "vitest";
import { formatBytes, formatDuration, formatTime, shortDigest } from "./format.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [2 * 1024 ** 3, "2.0 GiB"],
])("writes %d bytes as %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [12, "12 ms"],
  [12_000, "12 s"],
  [90_000, "1 min 30 s"],
  [-7_200_000, "2 h"],
  [90_061_000, "1 d 1 h"],
])("writes %d ms as %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("names the zone of every time", () => {
  expect(formatTime("2026-11-21T22:15:04Z", "UTC")).toBe("2026-11-21 22:15:04 UTC");
  expect(formatTime("2026-11-21T22:15:04Z", "Asia/Tokyo")).toBe("2026-11-22 07:15:04 GMT+9");
});

test("writes - where there is no time", () => {
  expect(formatTime(null)).toBe("-");
  expect(formatTime("nonsense")).toBe("-");
});

test("cuts a digest for tables only after what tells digests apart", () => {
  expect(shortDigest(`sha256:${"0123456789abcdef".repeat(4)}`)).toBe("sha256:0123456789ab…");
});
