import { expect, test } from "vitest";
import { isAtLeast, parseVersion } from "./version.ts";

test.each([
  ["nats-server: v2.15.2", "2.15.2"],
  ["go1.26.8", "1.26.8"],
  ["go1.26", "1.26"],
  ["no version here", undefined],
])("reads the version in %j", (text, version) => {
  expect(parseVersion(text)).toBe(version);
});

test.each([
  ["2.10.0", "2.10", true],
  ["2.9.25", "2.10", false],
  ["3.0.0", "2.10", true],
  ["1.99.0", "2.9", false],
])("%s is at least %s: %s", (version, minimum, expected) => {
  expect(isAtLeast(version, minimum)).toBe(expected);
});
