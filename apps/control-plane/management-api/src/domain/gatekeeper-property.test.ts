import { expect, test } from "vitest";
import { takeGatekeeper } from "./gatekeeper-property.ts";

test.each([
  ["no properties", undefined, { level: undefined, properties: undefined }],
  ["none of ours", { A: "1" }, { level: undefined, properties: { A: "1" } }],
  [
    "the property of old",
    { A: "1", "anypoint.platform.gatekeeper": "strict" },
    { level: "strict", properties: { A: "1" } },
  ],
  [
    "our own alone, so that the others stay",
    { "drawbridge.gatekeeper": "disabled" },
    { level: "disabled", properties: undefined },
  ],
  [
    "both: the one of old counts",
    { "drawbridge.gatekeeper": "disabled", "anypoint.platform.gatekeeper": "flexible" },
    { level: "flexible", properties: undefined },
  ],
])("the gatekeeper's level comes from %s and is no property of the app (GK 7)", (_, given, taken) => {
  expect(takeGatekeeper(given)).toEqual(taken);
});
