import { expect, test } from "vitest";
import type { AppRecord } from "./app.ts";
import { appId, fabricId } from "./ids.ts";
import {
  planDelete,
  planDeploy,
  planDesiredState,
  planFirstDeploy,
  planRestart,
  planRollback,
  planScale,
  type Change,
  type CommandFacts,
  type DeployInput,
  type FabricForDeploy,
} from "./plan-change.ts";
import { canonicalJson, sha256Digest as sha256Of, specDigest } from "./spec-digest.ts";
import { AppSpec } from "@drawbridge/contracts/runtime/v1/app";
import { specToProto } from "../rpc/app-to-proto.ts";

const now = new Date("2026-11-21T12:00:00Z");
const facts: CommandFacts = {
  requestId: "0193-request",
  requestedBy: "alice",
  traceparent: "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01",
  now,
};
const fabric: FabricForDeploy = {
  fabricId: fabricId("11111111-1111-4111-8111-111111111111"),
  environments: ["prod"],
  appCount: 0,
  gatekeeper: { environment: "", fabric: "" },
};

function aDeploy(letter: string, change: Partial<DeployInput> = {}): DeployInput {
  return {
    bundle: { digest: `sha256:${letter.repeat(64)}`, sizeBytes: 7n, path: `/v1/bundles/${letter}` },
    configuration: undefined,
    version: `1.0.${letter}`,
    manifestJson: "{}",
    replicas: undefined,
    publicPort: undefined,
    routes: undefined,
    strategy: undefined,
    gatekeeper: undefined,
    ...change,
  };
}

function anApp(letter = "a"): AppRecord {
  const target = {
    appId: appId("22222222-2222-4222-8222-222222222222"),
    org: "acme",
    environment: "prod",
    name: "orders",
  };
  return planFirstDeploy(target, fabric, aDeploy(letter), facts).app;
}

function changed(change: Change): Extract<Change, { outcome: "changed" }> {
  if (change.outcome !== "changed") throw new Error("nothing changed");
  return change;
}

test("a first deploy is generation 1, revision 1, one replica, running", () => {
  expect(anApp().spec).toMatchObject({ generation: 1n, revision: 1n, replicas: 1, desiredState: "running" });
});

test.each([
  ["deploy of the same version", (app: AppRecord) => planDeploy(app, fabric, aDeploy("a"), facts)],
  ["start of a running app", (app: AppRecord) => planDesiredState(app, "running", facts)],
  ["scale to the number it has", (app: AppRecord) => planScale(app, 1, facts)],
])("a %s changes nothing", (_what, plan) => {
  expect(plan(anApp()).outcome).toBe("unchanged");
});

test("only deploys and rollbacks of another version make a revision", () => {
  const app = anApp();
  expect(changed(planScale(app, 2, facts)).revision).toBeUndefined();
  expect(changed(planRestart(app, facts)).revision).toBeUndefined();
  expect(changed(planDesiredState(app, "stopped", facts)).revision).toBeUndefined();
  expect(changed(planDeploy(app, fabric, aDeploy("a", { replicas: 2 }), facts)).revision).toBeUndefined();
  expect(changed(planDeploy(app, fabric, aDeploy("b"), facts)).revision?.revision).toBe(2n);
});

test("a deploy keeps what it does not mention, and a stopped app stays stopped", () => {
  const stopped = planDesiredState(planScale(anApp(), 4, facts).app, "stopped", facts).app;
  const { spec } = planDeploy(stopped, fabric, aDeploy("b"), facts).app;
  expect(spec).toMatchObject({ replicas: 4, desiredState: "stopped", version: "1.0.b" });
});

test("a rollback to what is deployed already changes nothing", () => {
  const deployed = changed(planDeploy(anApp("a"), fabric, aDeploy("b"), facts));
  const target = deployed.revision;
  if (!target) throw new Error("a deploy of another version makes a revision");
  expect(planRollback(deployed.app, target, facts).outcome).toBe("unchanged");
});

test("deleting twice leaves the first tombstone", () => {
  const deleted = changed(planDelete(anApp(), facts)).app;
  expect(planDelete(deleted, { ...facts, requestId: "another" })).toEqual({ outcome: "unchanged", app: deleted });
});

test("refuses an app too many on one fabric", () => {
  const target = {
    appId: appId("22222222-2222-4222-8222-222222222222"),
    org: "acme",
    environment: "prod",
    name: "orders",
  };
  expect(() => planFirstDeploy(target, { ...fabric, appCount: 1_000 }, aDeploy("a"), facts)).toThrow(
    expect.objectContaining({ code: "FABRIC_FULL" }) as Error,
  );
});

test("the spec digest is over the canonical protobuf JSON without digest and trace", () => {
  const { spec } = changed(planDeploy(anApp(), fabric, aDeploy("b", { replicas: 0, publicPort: 8_080 }), facts)).app;
  const {
    specDigest: _digest,
    traceparent: _trace,
    ...json
  } = AppSpec.toJSON(specToProto({ spec, gatekeeper: { app: "", environment: "", fabric: "" } })) as Record<
    string,
    never
  >;
  expect(canonicalJson(json)).toBe(canonicalJson(JSON.parse(JSON.stringify(json)) as Record<string, never>));
  expect(spec.specDigest).toBe(specDigest(spec));
  expect(spec.specDigest).toBe(sha256Of(canonicalJson(json)));
});

test("the trace of a command is no part of the digest", () => {
  const { spec } = anApp();
  const elsewhere: typeof spec = { ...spec, traceparent: "another" };
  expect(specDigest(elsewhere)).toBe(spec.specDigest);
});
