import { expect, test } from "vitest";
import { followerGapsOf, rotationPhases } from "./rotation.ts";

test.each([
  [1n, ["trust-bundle"]],
  [2n, []],
  [3n, []],
] as const)("who acknowledged %i of 2 lacks %j, in any phase", (acknowledged, gaps) => {
  for (const phase of rotationPhases) {
    const follower = { kind: "agent", acknowledged, certificateCurrent: true } as const;
    expect(followerGapsOf(follower, { phase, sequence: 2n }), phase).toEqual(gaps);
  }
});

test.each([
  ["standby", "agent", false],
  ["init", "agent", false],
  ["update_clients", "agent", true],
  ["update_clients", "collector", true],
  ["update_clients", "service", false],
  ["update_servers", "agent", true],
  ["update_servers", "service", true],
  ["rollback", "service", true],
] as const)("in %s an earlier certificate of an %s is a gap: %s (R8)", (phase, kind, isGap) => {
  const follower = { kind, acknowledged: 2n, certificateCurrent: false };
  expect(followerGapsOf(follower, { phase, sequence: 2n })).toEqual(isGap ? ["certificate"] : []);
});
