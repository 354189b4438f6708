import { expect, test } from "vitest";
import { noUserAgent, parseUserAgent, type UserAgentFacts } from "./parse-user-agent.ts";

const webKit = "AppleWebKit/537.36 (KHTML, like Gecko)";
const cases: readonly (readonly [userAgent: string, facts: Partial<UserAgentFacts>])[] = [
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webKit} Chrome/120.0.0.0 Safari/537.36`,
    {
      browser: "Chrome",
      type: "browser",
      version: "120.0.0.0",
      hardwarePlatform: "desktop",
      osFamily: "Windows",
      osMajorVersion: "10",
      osVersion: "10",
    },
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
    {
      browser: "Safari",
      type: "browser",
      version: "17.1",
      hardwarePlatform: "mobile",
      osFamily: "iOS",
      osMajorVersion: "17",
      osMinorVersion: "1",
      osVersion: "17.1",
    },
  ],
  [
    `Mozilla/5.0 (Linux; Android 13; SM-X200) ${webKit} Chrome/119.0.0.0 Safari/537.36`,
    {
      browser: "Chrome",
      type: "browser",
      version: "119.0.0.0",
      hardwarePlatform: "tablet",
      osFamily: "Android",
      osMajorVersion: "13",
      osVersion: "13",
    },
  ],
  [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    { browser: "Googlebot", type: "bot", version: "2.1" },
  ],
  ["okhttp/4.12.0", { browser: "okhttp", type: "library", version: "4.12.0" }],
  ["curl/8.5.0", { browser: "curl", type: "library", version: "8.5.0" }],
  ["python-requests/2.31.0", { browser: "python-requests", type: "library", version: "2.31.0" }],
  ["Go-http-client/2.0", { browser: "Go-http-client", type: "library", version: "2.0" }],
  ["PostmanRuntime/7.36.0", { browser: "PostmanRuntime", type: "other", version: "7.36.0" }],
  ["Apache-HttpClient/4.5.14 (Java/17.0.9)", { browser: "Apache-HttpClient", type: "library", version: "4.5.14" }],
  ["kube-probe/1.28", { browser: "kube-probe", type: "bot", version: "1.28" }],
  ["", {}],
];

test.each(cases)("tells browser, system and device of %j (ANA 2)", (userAgent, facts) => {
  expect(parseUserAgent(userAgent)).toEqual({ ...noUserAgent, ...facts });
});

test.each([
  "canary-7731/1.0",
  "Mozilla/5.0 (canary-7731; x) canary-7731/9.9 canary-7731",
  `Mozilla/5.0 (Windows NT canary-7731) ${webKit} Chrome/canary-7731 Safari/canary-7731`,
  "curl/canary-7731",
  "x".repeat(10_000),
])("keeps nothing that a client made up: %j (ANA 2)", (userAgent) => {
  const kept = Object.values(parseUserAgent(userAgent)).join("\n");
  expect(kept).not.toContain("canary");
  expect(kept).not.toContain("7731");
  expect(kept.length).toBeLessThan(80);
});
