import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema, loadAgentConfig, sharedPortsOf } from "./config.ts";

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

test("words that operators choose do not leave in observed routes unless the fabric's owner says so (MGT 6)", () => {
  expect(loadAgentConfig({}).ALLOW_ROUTE_WORDS).toBe(false);
  expect(loadAgentConfig({ DRAWBRIDGE_ALLOW_ROUTE_WORDS: "true" }).ALLOW_ROUTE_WORDS).toBe(true);
});

test.for([
  ["DRAWBRIDGE_APP_PORT_RANGE", "19000-18000"],
  ["DRAWBRIDGE_APP_PORT_RANGE", "all"],
  ["DRAWBRIDGE_HTTPS_PROXY", "https://proxy:3128"],
  ["DRAWBRIDGE_HTTPS_PROXY", "proxy"],
] as const)("refuses %s=%s by name", ([name, value]) => {
  expect(() => loadAgentConfig({ [name]: value })).toThrow(name);
});

test("no port that apps share is open unless the fabric's operator opens it", () => {
  const shared = (env: Record<string, string>) => sharedPortsOf(loadAgentConfig(env));
  expect(shared({})).toBeUndefined();
  expect(shared({ DRAWBRIDGE_GATEWAY_HTTP_LISTEN: "0.0.0.0:8080" })).toEqual({
    http: { address: "0.0.0.0", port: 8_080 },
    https: undefined,
  });
  const https = { DRAWBRIDGE_GATEWAY_HTTPS_LISTEN: "0.0.0.0:8443" };
  const folder = { DRAWBRIDGE_GATEWAY_CERTIFICATES_DIR: "/tls" };
  expect(shared({ ...https, ...folder })?.https).toEqual({
    address: "0.0.0.0",
    port: 8_443,
    certificatesDirectory: "/tls",
    defaultCertificate: undefined,
  });
  for (const half of [https, folder, { DRAWBRIDGE_GATEWAY_DEFAULT_CERTIFICATE: "site" }]) {
    expect(() => shared(half)).toThrow("belong together");
  }
});

test("a proxy's password is in no message", () => {
  const env = { DRAWBRIDGE_HTTPS_PROXY: "https://user:hunter2@proxy:3128" };
  expect(() => loadAgentConfig(env)).not.toThrow("hunter2");
});
