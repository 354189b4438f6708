import { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import { expect, test } from "vitest";
import { gateToJson } from "./gate-json.ts";

test.each([
  ["live", 0, ["open: no policies"]],
  ["live", 2, []],
  ["stale", 0, ["open: no policies"]],
  ["open", 0, ["open: no policies"]],
  ["unresolved", 0, []],
  ["a state of a newer gateway", 0, []],
])(
  "a gate that is %s with %i policies warns of %j: only who passes unjudged is open (GK 1)",
  (state, policies, warnings) => {
    expect(gateToJson(GateStatus.fromPartial({ state, policies })).warnings).toEqual(warnings);
  },
);
