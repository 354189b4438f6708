import { parseManifest } from "@drawbridge/bundle";
import { describe, expect, test } from "vitest";
import {
  configurationBytes,
  declaresSameProperties,
  differingProperties,
  type GivenConfiguration,
  nothingGiven,
  planConfiguration,
} from "./configuration-plan.ts";

function aManifest(properties: Readonly<Record<string, object>>) {
  return parseManifest(
    JSON.stringify({
      apiVersion: "drawbridge/v1",
      name: "hello",
      version: "1.0.0",
      runtime: { command: ["node", "server.js"] },
      configuration: { properties },
    }),
  );
}

const given = (parts: Partial<GivenConfiguration>): GivenConfiguration => ({ ...nothingGiven, ...parts });

describe("the configuration of a deploy", () => {
  const manifest = aManifest({
    GREETING: { default: "hello" },
    LIMIT: { type: "integer", required: true },
    API_KEY: { secret: true, pattern: "[a-z]+" },
  });

  test("gets the defaults of what was not given", () => {
    const plan = planConfiguration(
      manifest,
      given({ properties: { LIMIT: "3" }, secureProperties: { API_KEY: "abc" } }),
    );
    expect(plan).toEqual({
      action: "store",
      configuration: given({ properties: { GREETING: "hello", LIMIT: "3" }, secureProperties: { API_KEY: "abc" } }),
    });
  });

  test("names every field that is wrong, in the section in which it was given", () => {
    const plan = planConfiguration(
      manifest,
      given({
        properties: { LIMIT: "many", UNKNOWN: "x" },
        secureProperties: { API_KEY: "ABC", OTHER: "y" },
      }),
    );
    expect(plan.action === "refuse" && plan.problems.map((problem) => problem.field).toSorted()).toEqual([
      "properties.LIMIT",
      "properties.UNKNOWN",
      "secureProperties.API_KEY",
      "secureProperties.OTHER",
    ]);
  });

  test("never repeats a value", () => {
    const plan = planConfiguration(
      manifest,
      given({ properties: { LIMIT: "hunter2" }, secureProperties: { API_KEY: "HUNTER2" } }),
    );
    expect(JSON.stringify(plan).toLowerCase()).not.toContain("hunter2");
  });

  test("is refused when a secret comes as a plain property", () => {
    const plain = planConfiguration(manifest, given({ properties: { LIMIT: "1", API_KEY: "abc" } }));
    expect(plain).toMatchObject({ action: "refuse", problems: [{ field: "properties.API_KEY" }] });
  });

  test("is none where nothing is declared and nothing was given", () => {
    expect(planConfiguration(aManifest({}), nothingGiven)).toEqual({ action: "none" });
  });
});

describe("values of an earlier version", () => {
  const before = aManifest({ A: { default: "1" }, B: {} });

  test("can be kept where both versions declare the same", () => {
    expect(declaresSameProperties(before, aManifest({ B: {}, A: { default: "1" } }))).toBe(true);
  });

  test("cannot be kept where a property was added, removed or changed, and each is named", () => {
    const after = aManifest({ A: { default: "2" }, C: {} });
    expect(declaresSameProperties(before, after)).toBe(false);
    expect(differingProperties(before, after)).toEqual(["A", "B", "C"]);
  });
});

test("the size of a configuration counts names and values in UTF-8", () => {
  expect(configurationBytes(given({ properties: { A: "\u00e9" }, secureProperties: { BC: "d" } }))).toBe(6);
});
