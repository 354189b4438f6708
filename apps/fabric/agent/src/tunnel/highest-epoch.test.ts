import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { highestEpochIn } from "./highest-epoch.ts";

function refusal(code: string, details: Record<string, string>): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code, message: "refused", details });
}

test("an agent with an older state learns the epoch that it must go above", () => {
  expect(highestEpochIn(refusal("EPOCH_SUPERSEDED", { epoch: "41" }))).toBe(41);
});

test.each([
  refusal("EPOCH_SUPERSEDED", {}),
  refusal("EPOCH_SUPERSEDED", { epoch: "1e99" }),
  refusal("EPOCH_SUPERSEDED", { epoch: "-1" }),
  refusal("AGENT_REVOKED", { epoch: "41" }),
  new Error("cut"),
])("nothing else changes the epoch", (error) => {
  expect(highestEpochIn(error)).toBeUndefined();
});
