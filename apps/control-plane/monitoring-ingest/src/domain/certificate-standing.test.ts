import { isDrawbridgeError } from "@drawbridge/errors";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import {
  createCertificateStanding,
  type KnownCertificates,
  type ShownCertificate,
  type Verdict,
} from "./certificate-standing.ts";

const certificate: ShownCertificate = {
  serialNumber: "0a",
  fabricId: "018f0000-0000-7000-8000-00000000000a",
  notAfter: new Date("2026-12-01T00:00:00Z"),
};

function aStanding() {
  const clock = new FakeClock();
  const rows = new Map<string, "good" | "revoked">();
  const known: KnownCertificates = {
    find: async (serialNumber) => rows.get(serialNumber),
    remember: async ({ serialNumber }) => void rows.set(serialNumber, "good"),
    markRevoked: async ({ serialNumber }) => void rows.set(serialNumber, "revoked"),
  };
  let verdict: Verdict = "good";
  let questions = 0;
  let forgotten = 0;
  const standing = createCertificateStanding({
    ask: async () => {
      questions += 1;
      return verdict;
    },
    known,
    clock,
    onForgotten: () => void (forgotten += 1),
  });
  return {
    clock,
    says: (next: Verdict) => void (verdict = next),
    questions: () => questions,
    forgotten: () => forgotten,
    outcome: () =>
      standing.assertGood(certificate).then(
        () => "good",
        (error: unknown) => (isDrawbridgeError(error) ? error.code : String(error)),
      ),
  };
}

test.each([
  ["good", "good"],
  ["revoked", "CERTIFICATE_REVOKED"],
  ["unknown", "CERTIFICATE_UNKNOWN"],
  ["away", "CERTIFICATE_STANDING_UNKNOWN"],
] as const)("a certificate that is new here and of which cert-authority is %s: %s", async (verdict, outcome) => {
  const standing = aStanding();
  standing.says(verdict);
  expect(await standing.outcome()).toBe(outcome);
});

test.each([
  ["good", "good"],
  ["revoked", "CERTIFICATE_REVOKED"],
  ["unknown", "good"],
  ["away", "good"],
] as const)(
  "a certificate that was vouched for and of which cert-authority is now %s: %s",
  async (verdict, outcome) => {
    const standing = aStanding();
    await standing.outcome();
    standing.says(verdict);
    standing.clock.advance(30_000);
    expect(await standing.outcome()).toBe(outcome);
    expect(standing.forgotten()).toBe(verdict === "unknown" ? 1 : 0);
  },
);

test("an answer holds for less than 30 s, and many requests at once ask once (R9)", async () => {
  const standing = aStanding();
  await Promise.all([standing.outcome(), standing.outcome(), standing.outcome()]);
  standing.clock.advance(29_999);
  await standing.outcome();
  expect(standing.questions()).toBe(1);
  standing.clock.advance(1);
  await standing.outcome();
  expect(standing.questions()).toBe(2);
});

test("revoked is for ever, whatever cert-authority says later (R17)", async () => {
  const standing = aStanding();
  standing.says("revoked");
  await standing.outcome();
  standing.says("good");
  standing.clock.advance(60_000);
  expect(await standing.outcome()).toBe("CERTIFICATE_REVOKED");
});

test("a refusal for want of an answer is not remembered", async () => {
  const standing = aStanding();
  standing.says("away");
  await standing.outcome();
  standing.says("good");
  expect(await standing.outcome()).toBe("good");
});
