import { expect, test } from "vitest";
import type { UnitSpec } from "@drawbridge/app-routes";
import { appEnvironment } from "./app-environment.ts";

function aSpec(change: Partial<UnitSpec> = {}): UnitSpec {
  return {
    kind: "replica",
    unitId: "r1-abc",
    appId: "app-1",
    revision: "1",
    templateDigest: "t",
    createdAt: new Date(0),
    command: ["node", "server.js"],
    workingDirectory: "/bundle",
    environment: { COLOUR: "blue" },
    ports: [{ name: "http", variable: "PORT" }],
    portRange: { from: 20_000, to: 20_001 },
    probe: { kind: "none" },
    memoryLimitBytes: 536_870_912,
    cpuLimitMillis: undefined,
    cgroupParent: undefined,
    stopGraceMs: 1_000,
    runAs: undefined,
    logs: { maxFileBytes: 1, maxFiles: 1 },
    restart: { baseMs: 1, capMs: 1, resetAfterMs: 1 },
    ...change,
  };
}

const rest = { secrets: {}, ports: { http: 20_001 }, home: "/home", path: "/bin" } as const;

test("holds what the app needs and nothing else", () => {
  expect(appEnvironment({ ...rest, spec: aSpec(), secrets: { PASSWORD: "x" } })).toEqual({
    PATH: "/bin",
    HOME: "/home",
    COLOUR: "blue",
    PASSWORD: "x",
    PORT: "20001",
    DRAWBRIDGE_APP_ID: "app-1",
    DRAWBRIDGE_REPLICA: "r1-abc",
    NODE_OPTIONS: "--max-old-space-size=384",
  });
});

test("lets no configuration change the ports and the identity by which the process is found", () => {
  const spec = aSpec({ environment: { PORT: "80", DRAWBRIDGE_REPLICA: "another" } });
  const environment = appEnvironment({ ...rest, spec, secrets: { DRAWBRIDGE_APP_ID: "another" } });
  expect(environment).toMatchObject({ PORT: "20001", DRAWBRIDGE_REPLICA: "r1-abc", DRAWBRIDGE_APP_ID: "app-1" });
});

test("adds the heap limit to options of the app's own", () => {
  const spec = aSpec({ environment: { NODE_OPTIONS: "--enable-source-maps" } });
  expect(appEnvironment({ ...rest, spec })["NODE_OPTIONS"]).toBe("--max-old-space-size=384 --enable-source-maps");
});

test.each([
  ["a program that is not Node.js", { command: ["python3", "app.py"] }],
  ["an app without a limit", { memoryLimitBytes: undefined }],
])("gives no heap limit to %s", (_what, change) => {
  expect(appEnvironment({ ...rest, spec: aSpec(change) })).not.toHaveProperty("NODE_OPTIONS");
});
