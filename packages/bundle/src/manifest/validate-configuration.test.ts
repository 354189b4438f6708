import { expect, test } from "vitest";
import { parseManifest } from "./parse-manifest.ts";
import { checkPropertyValue, validateConfiguration } from "./validate-configuration.ts";

function aManifest(properties: Record<string, object>) {
  return parseManifest(
    JSON.stringify({
      apiVersion: "drawbridge/v1",
      name: "orders",
      version: "1.0.0",
      runtime: { command: ["node"] },
      configuration: { properties },
    }),
  );
}

const manifest = aManifest({
  GREETING: { default: "Hello" },
  LIMIT: { type: "integer", default: 10 },
  RATE: { type: "number" },
  DEBUG: { type: "boolean" },
  REGION: { required: true, pattern: "[a-z]{2}-[a-z]+" },
  API_KEY: { secret: true },
});

test("gives what was given and the defaults of the rest", () => {
  expect(validateConfiguration(manifest, { REGION: "eu-west", LIMIT: "3" }, ["API_KEY"])).toEqual({
    outcome: "valid",
    values: { GREETING: "Hello", LIMIT: "3", REGION: "eu-west" },
  });
});

test("does not set the default of a property that is given as a secure one", () => {
  expect(validateConfiguration(manifest, { REGION: "eu-west" }, ["GREETING"])).toMatchObject({
    values: { LIMIT: "10" },
  });
  expect(validateConfiguration(manifest, { REGION: "eu-west" }, ["GREETING"])).not.toHaveProperty("values.GREETING");
});

test.each([
  ["a missing required property", {}, [], "REGION", "is required"],
  [
    "a plain value for a secret",
    { REGION: "eu-west", API_KEY: "x" },
    [],
    "API_KEY",
    "is a secret; give it as a secure property",
  ],
  [
    "a property given twice",
    { REGION: "eu-west" },
    ["REGION"],
    "REGION",
    "is given both as a plain and as a secure property; give it once",
  ],
  [
    "a text for an integer",
    { REGION: "eu-west", LIMIT: "many" },
    [],
    "LIMIT",
    "must be a whole number, for example 42",
  ],
  [
    "an integer that JavaScript cannot hold",
    { REGION: "eu-west", LIMIT: "9007199254740993" },
    [],
    "LIMIT",
    "must be a whole number, for example 42",
  ],
  ["a text for a number", { REGION: "eu-west", RATE: "0x10" }, [], "RATE", "must be a number, for example 1.5"],
  ["yes for a boolean", { REGION: "eu-west", DEBUG: "yes" }, [], "DEBUG", "must be true or false"],
  [
    "a value that matches only in part",
    { REGION: "xx eu-west" },
    [],
    "REGION",
    "must match the pattern [a-z]{2}-[a-z]+",
  ],
  [
    "a name of Object.prototype",
    { REGION: "eu-west", constructor: "x" },
    [],
    "constructor",
    "is not known; the app's manifest declares API_KEY, DEBUG, GREETING, LIMIT, RATE, REGION",
  ],
  [
    "an unknown secure property",
    { REGION: "eu-west" },
    ["OTHER"],
    "OTHER",
    "is not known; the app's manifest declares API_KEY, DEBUG, GREETING, LIMIT, RATE, REGION",
  ],
])("refuses %s and names the field", (_what, properties: Record<string, string>, secure: string[], field, message) => {
  expect(validateConfiguration(manifest, properties, secure)).toEqual({
    outcome: "invalid",
    problems: [{ field, message }],
  });
});

test("checks the value of a secure property without repeating it", () => {
  const secret = aManifest({ KEY: { secret: true, pattern: "[a-z]+" } });
  expect(checkPropertyValue(secret, "KEY", "abc")).toBeUndefined();
  expect(checkPropertyValue(secret, "KEY", "SECRET-VALUE")).toBe("must match the pattern [a-z]+");
  expect(checkPropertyValue(secret, "OTHER", "x")).toBe("is not known; the app's manifest declares KEY");
});

test("ends a pattern that would run for ever, because it comes from the bundle", () => {
  const evil = aManifest({ A: { pattern: "(a+)+b" } });
  expect(checkPropertyValue(evil, "A", "a".repeat(60))).toMatch(/takes too long/);
});
