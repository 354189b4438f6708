import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { parseArtefactDigest } from "./artefact-digest.ts";
import { createEntitlement, entitlementTtlMs } from "./entitlement.ts";

const question = { fabricId: "fabric-1", agentId: "agent-1", digest: parseArtefactDigest(`sha256:${"a".repeat(64)}`) };
const { signal } = new AbortController();

function asking(answers: readonly (boolean | Error)[]) {
  const left = [...answers];
  const clock = new FakeClock();
  const entitlement = createEntitlement({
    clock,
    ask: async () => {
      const answer = left.shift() ?? new Error("asked too often");
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { clock, entitlement, left };
}

test("remembers a yes for 30 s and not a moment longer", async () => {
  const { clock, entitlement, left } = asking([true, false]);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
  clock.advance(entitlementTtlMs - 1);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
  expect(left).toHaveLength(1);
  clock.advance(1);
  expect(await entitlement.isEntitled(question, signal)).toBe(false);
});

test("never remembers a no: the deployment may follow at once", async () => {
  const { entitlement } = asking([false, true]);
  expect(await entitlement.isEntitled(question, signal)).toBe(false);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
});

test("a yes is for one fabric, one agent and one artefact", async () => {
  const { entitlement } = asking([true, false, false, false]);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
  expect(await entitlement.isEntitled({ ...question, fabricId: "fabric-2" }, signal)).toBe(false);
  const other = parseArtefactDigest(`sha256:${"b".repeat(64)}`);
  expect(await entitlement.isEntitled({ ...question, digest: other }, signal)).toBe(false);
  expect(await entitlement.isEntitled({ ...question, agentId: "agent-2" }, signal)).toBe(false);
});

test("without an answer and nothing remembered it says so; what is remembered still holds", async () => {
  const { clock, entitlement } = asking([true, new Error("away"), new Error("away")]);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
  clock.advance(1_000);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
  await expect(entitlement.isEntitled({ ...question, fabricId: "fabric-2" }, signal)).rejects.toThrow("away");
  clock.advance(entitlementTtlMs);
  await expect(entitlement.isEntitled(question, signal)).rejects.toThrow("away");
});
