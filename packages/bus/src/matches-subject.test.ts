import { expect, test } from "vitest";
import { matchesSubject } from "./matches-subject.ts";

test.each([
  ["ctl.revoked", "ctl.revoked", true],
  ["ctl.kick.*", "ctl.kick.agent", true],
  ["ctl.kick.*", "ctl.kick", false],
  ["ctl.kick.*", "ctl.kick.agent.more", false],
  ["tun.>", "tun.replica.agent", true],
  ["tun.>", "tun", false],
  ["ctl.kick.*", "drawbridge.runtime.fabric", false],
])("%s and %s: %s", (pattern, subject, matches) => {
  expect(matchesSubject(pattern, subject)).toBe(matches);
});
