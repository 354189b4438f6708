import { expect, test } from "vitest";
import type { App } from "./types.ts";
import { rolloutState } from "./watch-rollout.ts";

type Status = NonNullable<App["status"]>;

function anApp(status: Partial<Status> | null, overrides: Partial<App> = {}): App {
  return {
    name: "orders",
    environment: "production",
    fabric: "plant-7",
    fabricId: "f",
    appId: "a",
    version: "1.0.0",
    revision: 2,
    generation: 5,
    desiredState: "running",
    replicas: 2,
    publicPort: 0,
    routes: [],
    bundleDigest: "sha256:0",
    deleting: false,
    createdAt: "2026-01-01T00:00:00Z",
    updatedAt: "2026-01-01T00:00:00Z",
    statusCurrent: true,
    status:
      status === null
        ? null
        : {
            phase: "running",
            observedGeneration: 5,
            servingRevision: 2,
            readyReplicas: 2,
            appliedCurrent: true,
            replicas: [],
            conditions: [],
            endpoints: [],
            gates: [],
            ...status,
          },
    ...overrides,
  };
}

test("a roll-out is done when the fabric runs the asked-for generation", () => {
  expect(rolloutState(anApp({}), 5)).toEqual({ state: "done" });
});

test("a stopped app is done too", () => {
  expect(rolloutState(anApp({ phase: "stopped" }, { desiredState: "stopped" }), 5)).toEqual({ state: "done" });
});

test("an older observed generation is never done, whatever its phase", () => {
  expect(rolloutState(anApp({ observedGeneration: 4 }), 5).state).toBe("waiting");
  expect(rolloutState(anApp({ observedGeneration: 4, phase: "failed" }), 5).state).toBe("waiting");
});

test("an app that the fabric never reported is waited for", () => {
  expect(rolloutState(anApp(null), 5).state).toBe("waiting");
});

test("a fabric that is away is named, not called failed (MGT 5)", () => {
  const state = rolloutState(anApp({ phase: "failed" }, { statusCurrent: false }), 5);
  expect(state).toMatchObject({ state: "waiting", because: expect.stringContaining("plant-7 is not connected") });
});

test("a failed roll-out carries the fabric's reason and message", () => {
  const conditions = [{ type: "Failed", status: "True", reason: "CrashLoop", message: "replica x ended with exit 1" }];
  expect(rolloutState(anApp({ phase: "failed", conditions }), 5)).toEqual({
    state: "failed",
    reason: "CrashLoop",
    message: "replica x ended with exit 1",
  });
});
