import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import type { AppRecord } from "./app.ts";
import { appId, fabricId } from "./ids.ts";
import { planFirstDeploy } from "./plan-change.ts";
import { rollbackTarget, type EarlierRevision } from "./rollback-target.ts";

const now = new Date("2026-11-21T12:00:00Z");
const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`;

function anAppRunning(letter: string): AppRecord {
  const target = {
    appId: appId("22222222-2222-4222-8222-222222222222"),
    org: "acme",
    environment: "prod",
    name: "orders",
  };
  return planFirstDeploy(
    target,
    {
      fabricId: fabricId("11111111-1111-4111-8111-111111111111"),
      environments: ["prod"],
      appCount: 0,
      gatekeeper: { environment: "", fabric: "" },
    },
    {
      bundle: { digest: digestOf(letter), sizeBytes: 7n, path: "/v1/bundles/x" },
      configuration: undefined,
      version: `1.0.${letter}`,
      manifestJson: "{}",
      replicas: undefined,
      publicPort: undefined,
      routes: undefined,
      strategy: undefined,
      gatekeeper: undefined,
    },
    { requestId: "r", requestedBy: "alice", traceparent: "", now },
  ).app;
}

function aRevision(revision: bigint, letter: string, history: "served" | "never served"): EarlierRevision {
  return {
    revision,
    version: `1.0.${letter}`,
    bundleDigest: digestOf(letter),
    configurationDigest: undefined,
    servedAt: history === "served" ? now : undefined,
  };
}

test.each([
  ["the one before, if it served", [aRevision(2n, "b", "served"), aRevision(1n, "a", "served")], 2n],
  ["past those that never served", [aRevision(2n, "b", "never served"), aRevision(1n, "a", "served")], 1n],
  ["past the one that has the current content", [aRevision(2n, "c", "served"), aRevision(1n, "a", "served")], 1n],
])("goes to %s", (_what, earlier, expected) => {
  expect(rollbackTarget(anAppRunning("c"), earlier)).toBe(expected);
});

test("names the revisions that there are, and how to choose one, when none qualifies", () => {
  expect(() =>
    rollbackTarget(anAppRunning("c"), [aRevision(2n, "c", "served"), aRevision(1n, "a", "never served")]),
  ).toThrow(
    expect.toSatisfy(
      (error) =>
        isDrawbridgeError(error, "NO_SERVED_REVISION") &&
        error.message.includes("2 (version 1.0.c, the same content as now), 1 (version 1.0.a, never served)") &&
        error.message.includes("--to"),
    ),
  );
  expect(() => rollbackTarget(anAppRunning("c"), [])).toThrow(/the only one/);
});

test("names ten at most", () => {
  const many = Array.from({ length: 15 }, (_, n) => aRevision(BigInt(15 - n), "b", "never served"));
  expect(() => rollbackTarget(anAppRunning("c"), many)).toThrow(/6 \(version 1\.0\.b, never served\) and 5 older ones/);
});
