import { expect, test } from "vitest";
import { followerGapsOf } from "./rotation.ts";

test.each([
  [1n, true, ["trust-bundle"]],
  [1n, false, ["trust-bundle", "certificate"]],
  [2n, false, ["certificate"]],
  [2n, true, []],
  [3n, true, []],
] as const)("who acknowledged %i of 2, certificate current: %s, lacks %j", (acknowledged, certificateCurrent, gaps) => {
  expect(followerGapsOf({ acknowledged, current: 2n, certificateCurrent })).toEqual(gaps);
});
