import { expect, test } from "vitest";
import type { AuthorityState, CaKey } from "./ca-key.ts";
import { planRaise } from "./raise-sequence.ts";

function aRoot(name: string, state: CaKey["state"]): CaKey {
  const at = new Date("2026-06-01T12:00:00Z");
  return {
    id: name,
    kind: "root",
    state,
    issuerId: name,
    serialNumber: "01",
    spkiPin: `pin-${name}`,
    certificateDer: new Uint8Array(),
    notBefore: at,
    notAfter: at,
    oldAt: undefined,
    retiredAt: undefined,
  };
}

const restored: AuthorityState = {
  trustDomain: "drawbridge.local",
  sequence: 3n,
  version: 9n,
  rotation: { phase: "standby", since: undefined },
  keys: [aRoot("first", "old"), aRoot("second", "active"), aRoot("zeroth", "retired")],
};

test("the number goes above what followers have seen, signed by the active root where they know it (R17)", () => {
  const seen = { sequence: 7n, rootPins: ["pin-first", "pin-second"] };
  expect(planRaise(restored, seen)).toEqual({ step: "raise_sequence", to: 8n, signerId: "second" });
});

test("who signs is a root that followers have in their last bundle", () => {
  expect(planRaise(restored, { sequence: 7n, rootPins: ["pin-first"] })).toMatchObject({ signerId: "first" });
  expect(planRaise(restored, { sequence: 7n, rootPins: [] })).toMatchObject({ signerId: "second" });
});

test("nothing is raised that nobody has seen, and nothing while a root is forgotten", () => {
  expect(planRaise(restored, { sequence: 3n, rootPins: ["pin-first"] })).toBeUndefined();
  expect(planRaise(restored, { sequence: 7n, rootPins: ["pin-second", "pin-third"] })).toBeUndefined();
});
