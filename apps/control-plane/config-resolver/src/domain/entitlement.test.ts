import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { parseArtefactDigest } from "./artefact-digest.ts";
import { createEntitlement, entitlementTtlMs } from "./entitlement.ts";
import { createPeerStanding, standingTtlMs, type CertificateStanding } from "./peer-standing.ts";

const question = { fabricId: "fabric-1", digest: parseArtefactDigest(`sha256:${"a".repeat(64)}`) };
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

test("a yes is for one fabric and one artefact", async () => {
  const { entitlement } = asking([true, false, false]);
  expect(await entitlement.isEntitled(question, signal)).toBe(true);
  expect(await entitlement.isEntitled({ ...question, fabricId: "fabric-2" }, signal)).toBe(false);
  const other = parseArtefactDigest(`sha256:${"b".repeat(64)}`);
  expect(await entitlement.isEntitled({ ...question, digest: other }, signal)).toBe(false);
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

test.each<[CertificateStanding, string]>([
  ["revoked", "CERTIFICATE_REVOKED"],
  ["unknown", "CERTIFICATE_UNKNOWN"],
])("refuses a %s certificate (REN 6)", async (standing, code) => {
  const peer = createPeerStanding({ clock: new FakeClock(), ask: async () => standing });
  await expect(peer.assertGood("01", signal)).rejects.toMatchObject({ code, kind: "unauthenticated" });
});

test("an announced revocation holds at once, also while an older answer is on its way (REN 6)", async () => {
  const answer = Promise.withResolvers<CertificateStanding>();
  const peer = createPeerStanding({ clock: new FakeClock(), ask: () => answer.promise });
  const asked = peer.assertGood("01", signal);
  peer.revoke("01");
  answer.resolve("good");
  await expect(asked).rejects.toMatchObject({ code: "CERTIFICATE_REVOKED" });
  await expect(peer.assertGood("01", signal)).rejects.toMatchObject({ code: "CERTIFICATE_REVOKED" });
});

test("asks again after 30 s, so that a revocation nobody announced is felt (design R9)", async () => {
  const clock = new FakeClock();
  const answers: CertificateStanding[] = ["good", "revoked"];
  const peer = createPeerStanding({ clock, ask: async () => answers.shift() ?? "unknown" });
  await peer.assertGood("01", signal);
  clock.advance(standingTtlMs - 1);
  await peer.assertGood("01", signal);
  clock.advance(1);
  await expect(peer.assertGood("01", signal)).rejects.toMatchObject({ code: "CERTIFICATE_REVOKED" });
});
