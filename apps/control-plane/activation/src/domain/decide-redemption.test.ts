import { expect, test } from "vitest";
import { decideRedemption, type FoundToken } from "./decide-redemption.ts";
import type { Enrolment } from "./enrolment.ts";
import type { StoredToken } from "./stored-token.ts";

const now = new Date("2026-01-01T12:00:00Z");
const minutes = (count: number): Date => new Date(now.getTime() + count * 60_000);
const sha256 = Buffer.alloc(32, 1);
const keys = { agentSpkiSha256: "aa", collectorSpkiSha256: "bb" };
const chain = { serialNumber: "01", certificatesDer: [], notAfter: minutes(10_000) };

function aToken(change: Partial<StoredToken> = {}): StoredToken {
  return {
    tokenId: "t1",
    sha256,
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
    approval: { state: "not_needed" },
    ...change,
  };
}

const common = { agentId: "a1", tokenId: "t1", enrolledAt: minutes(-1), joinNonce: undefined, ...keys };
const pending: Enrolment = { ...common, state: "pending" };
const issued: Enrolment = {
  ...common,
  state: "issued",
  issuedAt: minutes(-1),
  certificate: chain,
  monitoringCertificate: chain,
};
const arrived: Enrolment = { ...common, state: "closed", reason: "first_tunnel" };
const deleted: Enrolment = { ...common, state: "closed", reason: "fabric_deleted" };
const redeemed = aToken({ state: "redeemed", redeemedAt: minutes(-1), agentId: "a1" });

type Found = Omit<FoundToken, "isFabricDeleted"> & Partial<FoundToken>;

function decide(
  found: Found | undefined,
  change: { readonly sha256?: Buffer; readonly keys?: typeof keys; readonly remoteAddress?: string } = {},
) {
  const presented = { tokenId: "t1", sha256: change.sha256 ?? sha256 };
  const decision = decideRedemption({
    found: found && { isFabricDeleted: false, ...found },
    presented,
    keys: change.keys ?? keys,
    remoteAddress: change.remoteAddress ?? "192.0.2.1",
    now,
  });
  return decision.decision === "refuse" ? decision.code : decision.decision;
}

test.each<{ what: string; found: Found | undefined; outcome: string }>([
  { what: "a token that is not known", found: undefined, outcome: "ACTIVATION_TOKEN_UNKNOWN" },
  { what: "an unused token", found: { token: aToken(), enrolment: undefined }, outcome: "consume" },
  {
    what: "a token at the last millisecond",
    found: { token: aToken({ expiresAt: new Date(now.getTime() + 1) }), enrolment: undefined },
    outcome: "consume",
  },
  {
    what: "a token at the instant it expires",
    found: { token: aToken({ expiresAt: now }), enrolment: undefined },
    outcome: "ACTIVATION_TOKEN_EXPIRED",
  },
  {
    what: "a revoked token",
    found: { token: aToken({ state: "revoked" }), enrolment: undefined },
    outcome: "ACTIVATION_TOKEN_REVOKED",
  },
  {
    what: "a revoked token that also ran out",
    found: { token: aToken({ state: "revoked", expiresAt: now }), enrolment: undefined },
    outcome: "ACTIVATION_TOKEN_REVOKED",
  },
  { what: "a redemption that was not answered", found: { token: redeemed, enrolment: pending }, outcome: "replay" },
  {
    what: "a redemption not answered for 23 hours",
    found: { token: redeemed, enrolment: { ...pending, enrolledAt: minutes(-23 * 60) } },
    outcome: "replay",
  },
  {
    what: "a redemption not answered for a day",
    found: { token: redeemed, enrolment: { ...pending, enrolledAt: minutes(-24 * 60) } },
    outcome: "ACTIVATION_TOKEN_USED",
  },
  { what: "a redemption answered a minute ago", found: { token: redeemed, enrolment: issued }, outcome: "replay" },
  {
    what: "a redemption answered ten minutes ago",
    found: { token: redeemed, enrolment: { ...issued, issuedAt: minutes(-10) } },
    outcome: "ACTIVATION_TOKEN_USED",
  },
  {
    what: "a redemption whose agent arrived",
    found: { token: redeemed, enrolment: arrived },
    outcome: "ACTIVATION_TOKEN_USED",
  },
  {
    what: "an answered redemption of a fabric that was deleted",
    found: { token: redeemed, enrolment: deleted, isFabricDeleted: true },
    outcome: "ACTIVATION_TOKEN_REVOKED",
  },
  {
    what: "an unanswered redemption of a fabric that was deleted before",
    found: { token: redeemed, enrolment: pending, isFabricDeleted: true },
    outcome: "ACTIVATION_TOKEN_REVOKED",
  },
  {
    what: "an unused token of a fabric that was deleted before",
    found: { token: aToken(), enrolment: undefined, isFabricDeleted: true },
    outcome: "ACTIVATION_TOKEN_REVOKED",
  },
  {
    what: "a redemption past the token's own life",
    found: { token: { ...redeemed, expiresAt: minutes(-1) }, enrolment: issued },
    outcome: "replay",
  },
])("$what: $outcome", ({ found, outcome }) => {
  expect(decide(found)).toBe(outcome);
});

test.each([aToken(), aToken({ state: "revoked" }), aToken({ expiresAt: now }), redeemed])(
  "who has the wrong secret learns nothing about a token that is $state",
  (token) => {
    expect(decide({ token, enrolment: issued }, { sha256: Buffer.alloc(32, 2) })).toBe("ACTIVATION_TOKEN_UNKNOWN");
  },
);

test.each([pending, issued, arrived, deleted])(
  "another key is refused as a second use, whatever became of the first ($state)",
  (enrolment) => {
    const stranger = { ...keys, agentSpkiSha256: "cc" };
    expect(decide({ token: redeemed, enrolment }, { keys: stranger })).toBe("ACTIVATION_TOKEN_USED");
  },
);

test("a token for certain networks is refused elsewhere, whatever its state, and to its own keys too (R3)", () => {
  const bound = { allowedNetworks: ["10.0.0.0/8", "2001:db8::/32"] };
  const outside = "ACTIVATION_SOURCE_REFUSED";
  for (const inside of ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"]) {
    expect(decide({ token: aToken(bound), enrolment: undefined }, { remoteAddress: inside })).toBe("consume");
  }
  for (const remoteAddress of ["192.0.2.1", "2001:db9::1", "unknown"]) {
    expect(decide({ token: aToken(bound), enrolment: undefined }, { remoteAddress })).toBe(outside);
    expect(decide({ token: { ...redeemed, ...bound }, enrolment: issued }, { remoteAddress })).toBe(outside);
  }
});

test("whoever has not the right token does not learn that it is for certain networks (R3)", () => {
  const found = { token: aToken({ allowedNetworks: ["10.0.0.0/8"] }), enrolment: undefined };
  expect(decide(found, { sha256: Buffer.alloc(32, 2) })).toBe("ACTIVATION_TOKEN_UNKNOWN");
});

test("a token that needs approval holds its agent until its very key was approved (R3)", () => {
  const decideWith = (approval: StoredToken["approval"]) =>
    decide({ token: aToken({ approval }), enrolment: undefined });
  const given = { state: "given", by: "bob", at: minutes(-1) } as const;
  expect(decideWith({ state: "awaited" })).toBe("hold");
  expect(decideWith({ ...given, keySha256: keys.agentSpkiSha256 })).toBe("consume");
  expect(decideWith({ ...given, keySha256: "cc" })).toBe("ACTIVATION_KEY_REFUSED");
});

test("a token that needs approval and has expired, was revoked or is for other networks holds nobody (R3)", () => {
  const awaited = { approval: { state: "awaited" } } as const;
  const refusals = [
    [aToken({ ...awaited, expiresAt: now }), "ACTIVATION_TOKEN_EXPIRED"],
    [aToken({ ...awaited, state: "revoked" }), "ACTIVATION_TOKEN_REVOKED"],
    [aToken({ ...awaited, allowedNetworks: ["10.0.0.0/8"] }), "ACTIVATION_SOURCE_REFUSED"],
  ] as const;
  for (const [token, code] of refusals) expect(decide({ token, enrolment: undefined })).toBe(code);
});

test("a token for one key is refused to every other, and needs approval besides if it says so (R3)", () => {
  const bound = { keySha256: keys.agentSpkiSha256 };
  expect(decide({ token: aToken(bound), enrolment: undefined })).toBe("consume");
  expect(decide({ token: aToken({ keySha256: "cc" }), enrolment: undefined })).toBe("ACTIVATION_KEY_REFUSED");
  const both = (keySha256: string) => aToken({ keySha256, approval: { state: "awaited" } });
  expect(decide({ token: both(keys.agentSpkiSha256), enrolment: undefined })).toBe("hold");
  expect(decide({ token: both("cc"), enrolment: undefined })).toBe("ACTIVATION_KEY_REFUSED");
});
