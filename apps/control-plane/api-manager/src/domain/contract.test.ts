import { expect, test } from "vitest";
import { assertDecidable, isApprovedAtOnce, type ContractDecision, type ContractState } from "./contract.ts";

const allowed: readonly (readonly [ContractState, ContractDecision])[] = [
  ["requested", "approve"],
  ["requested", "reject"],
  ["approved", "revoke"],
  ["approved", "change the tier of"],
];
const states = ["requested", "approved", "rejected", "revoked"] as const;
const decisions = ["approve", "reject", "revoke", "change the tier of"] as const;

test.each(states.flatMap((state) => decisions.map((decision) => [decision, state] as const)))(
  "to %s a contract that is %s is done or refused by the table",
  (decision, state) => {
    const isAllowed = allowed.some(([from, what]) => from === state && what === decision);
    if (isAllowed) return assertDecidable(state, decision);
    return expect(() => assertDecidable(state, decision)).toThrow(expect.objectContaining({ code: "CONTRACT_STATE" }));
  },
);

test.each([
  [false, undefined, false],
  [true, undefined, true],
  [false, { autoApprove: undefined }, false],
  [true, { autoApprove: undefined }, true],
  [true, { autoApprove: false }, false],
  [false, { autoApprove: true }, true],
])("an API that says %s with a tier that says %o: approved at once %s", (autoApprove, tier, expected) => {
  expect(isApprovedAtOnce({ autoApprove }, tier)).toBe(expected);
});
