import { expect, test } from "vitest";
import type { ObservedApp } from "../cluster/cluster-driver.ts";
import type { AppWish, DesiredSnapshot } from "../desired/app-wish.ts";
import { removalKey, type AppProgress } from "./app-progress.ts";
import { planSteps } from "./plan-steps.ts";

const wish: AppWish = {
  appId: "app-1",
  name: "shop",
  environment: "test",
  generation: 2n,
  revision: 1n,
  version: "1",
  desiredState: "running",
  replicas: 1,
  restartNonce: "",
  bundle: { digest: "sha256:b", sizeBytes: 1, path: "/b" },
  configuration: undefined,
  publicPort: 0,
  hosts: [],
  gatekeeper: { value: "", origin: "app" },
  pace: { maxSurge: 1, readyTimeoutSeconds: 1, drainTimeoutSeconds: 1 },
  specDigest: "sha256:spec",
  traceparent: "",
};

const there: ObservedApp = {
  appId: "app-1",
  name: "shop",
  environmentName: "test",
  replicas: [{ replicaId: "r1", revision: 1n, state: "ready", restarts: 0, startedAt: undefined, lastExit: "" }],
  servingRevision: 1n,
  appliedSpecDigest: "sha256:spec",
  appliedGeneration: 2n,
  endpoints: [],
  problems: [],
};

function plan(about: {
  readonly desired?: Partial<DesiredSnapshot>;
  readonly observed?: readonly ObservedApp[];
  readonly progress?: AppProgress;
  readonly nowMs?: number;
}): readonly string[] {
  const steps = planSteps({
    desired: {
      fabricId: "f",
      incarnationId: "i",
      generation: 1n,
      digest: "d",
      isComplete: true,
      apps: [],
      unusable: [],
      tombstones: [],
      pruneToken: "",
      ...about.desired,
    },
    observed: new Map((about.observed ?? []).map((app) => [app.appId, app])),
    progress: new Map(about.progress ? [["app-1", about.progress]] : []),
    nowMs: about.nowMs ?? 0,
  });
  return steps.map(({ action, appId }) => `${action} ${appId}`);
}

const wanted = { apps: [wish] };
const gone = { tombstones: [{ appId: "app-1", name: "shop" }] };
const key = wish.specDigest;
const failed = { state: "failed", reason: "x", message: "x", attempt: 0, retryAtMs: 1_000 } as const;

test.for([
  ["a new app", { desired: wanted }, ["apply app-1"]],
  ["an app that an earlier agent brought up", { desired: wanted, observed: [there] }, ["apply app-1"]],
  [
    "a new spec while an old one is under way",
    { desired: wanted, progress: { state: "applying", key: "old" } },
    ["apply app-1"],
  ],
  ["an app under way", { desired: wanted, progress: { state: "fetching", key } }, []],
  [
    "an app that is as wished",
    { desired: wanted, observed: [there], progress: { state: "applied", key, atMs: 0 }, nowMs: 5_000 },
    [],
  ],
  [
    "an app that vanished",
    { desired: wanted, progress: { state: "applied", key, atMs: 0 }, nowMs: 5_000 },
    ["repair app-1"],
  ],
  [
    "an app not looked at for a minute",
    { desired: wanted, observed: [there], progress: { state: "applied", key, atMs: 0 }, nowMs: 60_000 },
    ["repair app-1"],
  ],
  ["a failed app before its time", { desired: wanted, progress: { ...failed, key }, nowMs: 999 }, []],
  [
    "a failed app whose time has come",
    { desired: wanted, progress: { ...failed, key }, nowMs: 1_000 },
    ["apply app-1"],
  ],
  ["a failed app with a new spec", { desired: wanted, progress: { ...failed, key: "old" } }, ["apply app-1"]],
  ["an app without a tombstone", { observed: [there] }, []],
  ["an app with a tombstone", { desired: gone, observed: [there] }, ["remove app-1"]],
  [
    "an app with a tombstone whose roll-out is under way",
    { desired: gone, progress: { state: "fetching", key } },
    ["remove app-1"],
  ],
  ["an app being removed", { desired: gone, observed: [there], progress: { state: "removing", key: removalKey } }, []],
  ["a tombstone of which nothing is left", { desired: gone }, []],
] as const)("%s", ([, about, steps]) => {
  expect(plan(about)).toEqual(steps);
});

test("plans nothing at all without a wish: an empty control plane removes nothing", () => {
  expect(
    planSteps({ desired: undefined, observed: new Map([["app-1", there]]), progress: new Map(), nowMs: 0 }),
  ).toEqual([]);
});
