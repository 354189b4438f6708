import { expect, test } from "vitest";
import { assertServerVersion, canBeDurable, parseServerVersion } from "./server-version.ts";

test.each([
  ["2.8.4", "any", false],
  ["2.9.10", "any", true],
  ["2.9.10", "durable", false],
  ["2.10.0", "durable", true],
  ["2.15.2-RC.1", "durable", true],
  ["3.0.0", "durable", true],
  ["", "any", false],
] as const)("server %j is enough for %s: %s", (text, requirement, isEnough) => {
  const check = (): void => assertServerVersion(parseServerVersion(text), requirement);
  if (isEnough) expect(check).not.toThrow();
  else expect(check).toThrow(expect.objectContaining({ code: "BUS_SERVER_TOO_OLD" }));
});

test("knows from which version on a message is on disk before it is acknowledged", () => {
  expect(canBeDurable(parseServerVersion("2.9.25"))).toBe(false);
  expect(canBeDurable(parseServerVersion("2.10.0"))).toBe(true);
});
