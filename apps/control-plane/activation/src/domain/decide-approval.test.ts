import { expect, test } from "vitest";
import { decideApproval } from "./decide-approval.ts";
import type { StoredToken } from "./stored-token.ts";

const now = new Date("2026-01-01T12:00:00Z");
const minutes = (count: number): Date => new Date(now.getTime() + count * 60_000);
const applicant = {
  keySha256: "aa",
  remoteAddress: "192.0.2.1",
  agentVersion: "0.1.0",
  firstAskedAt: minutes(-2),
  lastAskedAt: minutes(-1),
};
const token = {
  tokenId: "t1",
  sha256: Buffer.alloc(32),
  fabricId: "f1",
  fabricName: "edge",
  org: "acme",
  state: "unused",
  createdBy: "alice",
  createdAt: minutes(-10),
  expiresAt: minutes(20),
  redeemedAt: undefined,
  agentId: undefined,
  refusedUses: 0,
  allowedNetworks: [],
  keySha256: undefined,
  approval: { state: "awaited" },
  applicants: [applicant],
} as const;
const given = { state: "given", keySha256: "aa", by: "bob", at: minutes(-1) } as const;

function decide(change: Partial<StoredToken>, { by = "bob", keySha256 = "aa" } = {}): string {
  const decision = decideApproval({ ...token, ...change }, { tokenId: "t1", keySha256, approvedBy: by }, now);
  return decision.decision === "refuse" ? decision.error.code : decision.decision;
}

test("somebody else than the maker approves a key that asked (R3)", () => {
  expect(decide({})).toBe("approve");
});

test("the maker never approves, in whatever state the token is (R3)", () => {
  for (const change of [{}, { approval: given }, { state: "redeemed" }, { expiresAt: now }] as const) {
    expect(decide(change, { by: "alice" })).toBe("ACTIVATION_APPROVAL_BY_CREATOR");
  }
});

test("a key that did not ask is not approved (R3)", () => {
  expect(decide({}, { keySha256: "bb" })).toBe("ACTIVATION_APPLICANT_NOT_FOUND");
});

test("one key is approved, once; the same again changes nothing (R3)", () => {
  expect(decide({ approval: given })).toBe("done");
  expect(decide({ approval: given, state: "redeemed" })).toBe("done");
  expect(decide({ approval: given }, { keySha256: "bb" })).toBe("ACTIVATION_APPROVED_ALREADY");
});

test.each([
  [{ expiresAt: now }, "ACTIVATION_TOKEN_EXPIRED"],
  [{ state: "revoked" }, "ACTIVATION_TOKEN_REVOKED"],
  [{ approval: { state: "not_needed" } }, "ACTIVATION_APPROVAL_NOT_NEEDED"],
] as const)("a token with %j is not approved: %s (R3)", (change, code) => {
  expect(decide(change)).toBe(code);
});
