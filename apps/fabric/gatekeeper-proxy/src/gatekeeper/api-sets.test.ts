import { expect, test } from "vitest";
import { ApiSets, type CompleteSet } from "./api-sets.ts";

const revision = 1;
/** As far as the order of sets goes. */
function aSet(setId: string): CompleteSet {
  return {
    set: { setId } as CompleteSet["set"], // nothing else of it is looked at
    facts: { apiId: setId, revision, policies: 1, contracts: 0 },
    problems: [],
    confirmedAt: new Date(0),
  };
}

const [a, b, c] = ["a", "b", "c"].map(aSet) as [CompleteSet, CompleteSet, CompleteSet];

test.each([
  { what: "the disk alone", platform: undefined, disk: { newest: a, before: b }, last: ["a", "b"] },
  { what: "a platform that was faster with the same", platform: a, disk: { newest: a, before: b }, last: ["a", "b"] },
  { what: "a platform that wants another by now", platform: c, disk: { newest: a, before: b }, last: ["c", "a"] },
  {
    what: "a platform that wants another, and one set on the disk",
    platform: c,
    disk: { newest: a, before: undefined },
    last: ["c", "a"],
  },
])("$what: the set to fall back to is not forgotten (row 16)", ({ platform, disk, last }) => {
  const sets = new ApiSets();
  if (platform) sets.complete(platform);
  sets.recall(disk);
  expect([sets.last?.newest.set.setId, sets.last?.before?.set.setId]).toEqual(last);
});

test("a set from the disk that nobody has tried yet is what to fall back to when the platform wants another (row 16)", () => {
  const sets = new ApiSets();
  sets.recall({ newest: a, before: undefined });
  sets.hold([a], 1);
  sets.complete(b);
  expect(sets.last?.before?.set.setId).toBe("a");
});

test("a set that is known to be unusable is not: the one before it stays (row 16)", () => {
  const sets = new ApiSets();
  sets.recall({ newest: b, before: a });
  sets.hold([b], 1);
  sets.unusable("b", []);
  sets.complete(c);
  expect(sets.last?.before?.set.setId).toBe("a");
});
