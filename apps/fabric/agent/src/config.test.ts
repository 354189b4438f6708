import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema, loadAgentConfig } from "./config.ts";

test("the README shows the configuration as it is", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  expect(readme).toContain(configTable(configSchema));
});

test("logs do not leave the fabric unless its owner says so", () => {
  const allows = (env: Record<string, string>): boolean => loadAgentConfig(env).ALLOW_LOGS;
  expect(allows({})).toBe(false);
  expect(allows({ DRAWBRIDGE_ALLOW_LOGS: "true" })).toBe(true);
  expect(() => allows({ DRAWBRIDGE_ALLOW_LOGS: "yes" })).toThrow("DRAWBRIDGE_ALLOW_LOGS");
});

test.for([
  ["DRAWBRIDGE_APP_PORT_RANGE", "19000-18000"],
  ["DRAWBRIDGE_APP_PORT_RANGE", "all"],
  ["DRAWBRIDGE_HTTPS_PROXY", "https://proxy:3128"],
  ["DRAWBRIDGE_HTTPS_PROXY", "proxy"],
] as const)("refuses %s=%s by name", ([name, value]) => {
  expect(() => loadAgentConfig({ [name]: value })).toThrow(name);
});

test("a proxy's password is in no message", () => {
  const env = { DRAWBRIDGE_HTTPS_PROXY: "https://user:hunter2@proxy:3128" };
  expect(() => loadAgentConfig(env)).not.toThrow("hunter2");
});
