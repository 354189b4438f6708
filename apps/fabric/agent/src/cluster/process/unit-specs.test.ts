import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { parseManifest } from "@drawbridge/bundle";
import { createTestLogger } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { defaultOptions, type ResolvedOptions } from "./driver-options.ts";
import { gatewaySpec, gatewayTemplate, replicaSpec } from "./unit-specs.ts";

const directory = "/var/lib/no-such-fabric/gateway";

function optionsWith(reports?: ResolvedOptions["reports"]): ResolvedOptions {
  return {
    ...defaultOptions,
    ...(reports && { reports }),
    stateDirectory: "/var/lib/no-such-fabric",
    appPath: "/usr/bin",
    entryPoints: { shim: "shim.ts", front: "front.ts", gateway: "gateway.ts" },
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
    logger: createTestLogger().logger,
  };
}

const switchesOf = (options: ResolvedOptions) =>
  Object.fromEntries(
    Object.entries(gatewaySpec({ ...options, directory, unitId: "gateway-0" }).environment).filter(([name]) =>
      /^DRAWBRIDGE_(ALLOW|ANALYTICS|INSIGHT)_/.test(name),
    ),
  );

test("gateways are told what the fabric's owner forbids of requests and allows of words; the rest is their default (ANA 3, MGT 6)", () => {
  expect(switchesOf(optionsWith())).toEqual({});
  expect(switchesOf(optionsWith({ requests: false, routeWords: true }))).toEqual({
    DRAWBRIDGE_ALLOW_ANALYTICS: "false",
    DRAWBRIDGE_ALLOW_ROUTE_WORDS: "true",
  });
  expect(switchesOf(optionsWith({ requests: true, routeWords: false, spoolBytes: 2_097_152 }))).toEqual({
    DRAWBRIDGE_ANALYTICS_SPOOL_BYTES: "2097152",
  });
});

test("gateways may capture exchanges only where the fabric's owner says so, and know what he withholds (META 4)", () => {
  const reports = { requests: true, routeWords: false };
  expect(switchesOf(optionsWith({ ...reports, insight: { environments: undefined, redact: undefined } }))).toEqual({
    DRAWBRIDGE_ALLOW_INSIGHT: "true",
  });
  const insight = { environments: ["staging", "test"], redact: ["email", "$.customer"] };
  expect(switchesOf(optionsWith({ ...reports, insight }))).toEqual({
    DRAWBRIDGE_ALLOW_INSIGHT: "true",
    DRAWBRIDGE_INSIGHT_ENVIRONMENTS: "staging,test",
    DRAWBRIDGE_INSIGHT_REDACT: "email,$.customer",
  });
});

test("a gateway that was started before its owner forbade something is replaced (ANA 3)", () => {
  const before = gatewayTemplate(optionsWith(), directory);
  expect(gatewayTemplate(optionsWith({ requests: true, routeWords: false }), directory)).toBe(before);
  expect(gatewayTemplate(optionsWith({ requests: false, routeWords: false }), directory)).not.toBe(before);
  expect(gatewayTemplate(optionsWith({ requests: true, routeWords: true }), directory)).not.toBe(before);
  const insight = { environments: undefined, redact: undefined };
  expect(gatewayTemplate(optionsWith({ requests: true, routeWords: false, insight }), directory)).not.toBe(before);
});

test("a replica's metrics are where its manifest says, the first port unless it names another (MON)", () => {
  const specOf = (metrics: string) => {
    const manifest = parseManifest(
      `apiVersion: drawbridge/v1\nname: orders\nversion: "1"\nruntime: { command: [node] }\n` +
        `ports: [{ name: http, env: PORT }, { name: inner, env: INNER_PORT }]\n${metrics}`,
    );
    return replicaSpec(
      {
        appId: "app-1",
        name: "orders",
        environmentName: "prod",
        generation: 1n,
        revision: 1n,
        specDigest: "sha256:0",
        desiredState: "running",
        replicas: 1,
        restartNonce: "",
        publicPort: 0,
        hosts: [],
        strategy: { maxSurge: 1, readyTimeoutSeconds: 1, drainTimeoutSeconds: 1 },
        bundleDigest: "sha256:0",
        bundleDirectory: directory,
        manifest,
        gatekeeper: { value: "", origin: "app" },
        environment: {},
        secrets: {},
      },
      {
        ...optionsWith(),
        replicaId: "r-0",
        bundleDirectory: directory,
        runAs: undefined,
        gates: { runtimeVersion: undefined, level: "disabled", levelSource: "app", apis: [] },
      },
    ).metrics;
  };
  expect(specOf("")).toBeUndefined();
  expect(specOf("metrics: {}")).toEqual({ portName: "http", path: "/metrics", names: [] });
  expect(specOf("metrics: { port: inner, path: /m, names: [jobs_total] }")).toEqual({
    portName: "inner",
    path: "/m",
    names: ["jobs_total"],
  });
});
