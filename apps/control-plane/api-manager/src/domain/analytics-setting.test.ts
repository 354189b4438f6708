import { describe, expect, test } from "vitest";
import { analyticsTold, analyticsWarnings, defaultAnalytics, type AnalyticsSetting } from "./analytics-setting.ts";

const full: AnalyticsSetting = {
  isOn: true,
  clientAddress: "full",
  userAgent: true,
  geography: "city",
  routeWords: ["dunning"],
};

test("without a setting an address loses its last part before it leaves the fabric (ANA 3)", () => {
  expect(analyticsTold(defaultAnalytics, "inherit")).toEqual({
    clientAddress: "truncated",
    userAgent: true,
    geography: "city",
    routeWords: [],
  });
});

describe("an API can only tell less than its environment (ANA 3)", () => {
  test.each([
    ["on", "inherit", "told"],
    ["on", "off", "silent"],
    ["off", "inherit", "silent"],
    ["off", "off", "silent"],
  ] as const)("environment %s, API %s: %s", (environment, api, outcome) => {
    const told = analyticsTold({ ...full, isOn: environment === "on" }, api);
    const { isOn: _isOn, ...asTheEnvironment } = full;
    expect(told).toEqual(outcome === "told" ? asTheEnvironment : undefined);
  });
});

test.each([
  ["none", "none", 1],
  ["hashed", "none", 1],
  ["truncated", "city", 0],
  ["full", "city", 1],
] as const)("of an address that is %s, %s is concluded (ANA 2)", (clientAddress, geography, warnings) => {
  const setting = { ...full, clientAddress };
  expect(analyticsTold(setting, "inherit")).toMatchObject({ clientAddress, geography });
  expect(analyticsWarnings(setting)).toHaveLength(warnings);
});
