import { expect, test } from "vitest";
import type { ObservedApp, ReplicaState } from "../cluster/cluster-driver.ts";
import type { AppProgress } from "../control/app-progress.ts";
import type { AppWish } from "../desired/app-wish.ts";
import { reportApp } from "./app-report.ts";

const spec = "sha256:spec";
const wish: AppWish = {
  appId: "app-1",
  name: "shop",
  environment: "test",
  generation: 2n,
  revision: 2n,
  version: "2",
  desiredState: "running",
  replicas: 2,
  restartNonce: "",
  bundle: { digest: "sha256:b", sizeBytes: 1, path: "/b" },
  configuration: undefined,
  publicPort: 0,
  hosts: [],
  gatekeeper: { value: "", origin: "app" },
  pace: { maxSurge: 1, readyTimeoutSeconds: 1, drainTimeoutSeconds: 1 },
  specDigest: spec,
  traceparent: "",
};

function seen(states: readonly ReplicaState[], change: Partial<ObservedApp> = {}): ObservedApp {
  return {
    appId: "app-1",
    name: "shop",
    environmentName: "test",
    replicas: states.map((state, n) => ({
      replicaId: `r${n}`,
      revision: 2n,
      state,
      restarts: 0,
      startedAt: undefined,
      lastExit: "",
    })),
    servingRevision: 2n,
    appliedSpecDigest: spec,
    appliedGeneration: 2n,
    endpoints: [],
    problems: [],
    ...change,
  };
}

const now = new Date("2026-06-01T12:00:00Z");
const applied: AppProgress = { state: "applied", key: spec, atMs: 0 };
const failed: AppProgress = {
  state: "failed",
  key: spec,
  reason: "CrashLoop",
  message: "it crashed",
  attempt: 0,
  retryAtMs: 1,
};
const old = { appliedSpecDigest: "sha256:old", servingRevision: 1n };

test.for<readonly [string, Partial<AppWish>, ObservedApp | undefined, AppProgress | undefined, string]>([
  ["nothing of it is here yet", {}, undefined, undefined, "pending"],
  ["its bundle is being fetched", {}, undefined, { state: "fetching", key: spec }, "progressing"],
  [
    "an older version serves meanwhile",
    {},
    seen(["ready", "ready"], old),
    { state: "applying", key: spec },
    "progressing",
  ],
  ["all replicas are ready", {}, seen(["ready", "ready"]), applied, "running"],
  ["an earlier agent brought it up", {}, seen(["ready", "ready"]), { state: "waiting", key: spec }, "running"],
  ["a replica crashed later", {}, seen(["ready", "crashed"]), applied, "degraded"],
  ["it could not be brought up, the old version serves", {}, seen(["ready", "ready"], old), failed, "failed"],
  ["it ran, then its repair failed", {}, seen(["ready"]), failed, "degraded"],
  ["it is stopped as desired", { desiredState: "stopped" }, seen([]), applied, "stopped"],
  ["its last replica drains", { desiredState: "stopped" }, seen(["draining"]), applied, "progressing"],
  ["no replica is wanted", { replicas: 0 }, seen([]), applied, "running"],
  [
    "a failure belongs to an older spec",
    {},
    seen(["ready", "ready"], old),
    { ...failed, key: "sha256:old" },
    "progressing",
  ],
])("when %s the phase follows", ([, change, observed, progress, phase]) => {
  const report = reportApp({ wish: { ...wish, ...change }, observed, progress, gates: [], earlier: [], now });
  expect(report).toMatchObject({ phase, observedGeneration: 2n });
});

test("a failure says its reason and what goes on serving", () => {
  const { conditions } = reportApp({
    wish,
    observed: seen(["ready"], old),
    progress: failed,
    gates: [],
    earlier: [],
    now,
  });
  expect(conditions.find(({ type }) => type === "Failed")).toMatchObject({
    status: "True",
    reason: "CrashLoop",
    message: "it crashed; revision 1 goes on serving",
  });
});

test("the time of a condition is that of its last change of status", () => {
  const earlier = reportApp({
    wish,
    observed: seen(["ready", "ready"]),
    progress: applied,
    gates: [],
    earlier: [],
    now,
  }).conditions;
  const later = new Date(now.getTime() + 60_000);
  const same = reportApp({
    wish,
    observed: seen(["ready", "ready"]),
    progress: applied,
    gates: [],
    earlier,
    now: later,
  }).conditions;
  expect(same.map(({ lastTransitionAt }) => lastTransitionAt)).toEqual([now, now, now]);
  const worse = reportApp({
    wish,
    observed: seen(["ready", "crashed"]),
    progress: applied,
    gates: [],
    earlier,
    now: later,
  }).conditions;
  expect(worse.find(({ type }) => type === "Ready")?.lastTransitionAt).toEqual(later);
});

type Texts = Partial<Record<"Ready" | "Progressing" | "Failed", string>>;

test.for<readonly [string, Partial<AppWish>, ObservedApp | undefined, AppProgress | undefined, Texts]>([
  [
    "the new revision failed and the old one serves in full",
    {},
    seen(["ready", "ready"], old),
    failed,
    {
      Ready:
        "EarlierRevisionServing: revision 2 is not in service (see Failed); 2 replicas of revision 1 are ready and serve",
      Progressing: "RolloutFailed: the roll-out of revision 2 failed (see Failed); the agent tries again by itself",
      Failed: "CrashLoop: it crashed; revision 1 goes on serving",
    },
  ],
  [
    "the first revision failed",
    {},
    seen([], { appliedSpecDigest: "", servingRevision: 0n }),
    failed,
    {
      Ready: "NotReady: nothing serves: revision 2 could not be brought up (see Failed)",
      Failed: "CrashLoop: it crashed",
    },
  ],
  [
    "a repair failed though all replicas are ready",
    {},
    seen(["ready", "ready"]),
    failed,
    { Ready: "RepairFailed: 2 of 2 replicas are ready, but the agent could not bring the app in order (see Failed)" },
  ],
  [
    "one replica crashed",
    {},
    seen(["ready", "crashed"]),
    applied,
    {
      Ready:
        "SomeReplicasNotReady: 1 of 2 replicas are ready; r1 is crashed: the app's log says why, the agent starts it again by itself",
      Progressing: "RolloutComplete: revision 2 has been rolled out",
      Failed: "None: nothing has failed",
    },
  ],
  [
    "an update is under way",
    {},
    seen(["ready", "ready", "starting"], old),
    { state: "applying", key: spec },
    {
      Ready: "RollingOut: revision 1 serves with 2 ready replicas until revision 2 has taken its place",
      Progressing: "RollingOut: revision 2 is being brought up; its replicas must become ready",
    },
  ],
  [
    "it is being stopped",
    { desiredState: "stopped" },
    seen(["draining"], old),
    { state: "applying", key: spec },
    {
      Ready: "Stopping: the app is being stopped; 1 replicas have not ended yet",
      Progressing: "Stopping: the app is being stopped",
    },
  ],
  [
    "a failure is of an earlier wish",
    {},
    seen(["ready"], old),
    { ...failed, key: "sha256:old" },
    { Failed: "None: nothing has failed" },
  ],
])("when %s the conditions say what is and where to look", ([, change, observed, progress, texts]) => {
  const { conditions } = reportApp({ wish: { ...wish, ...change }, observed, progress, gates: [], earlier: [], now });
  const said = Object.fromEntries(conditions.map(({ type, reason, message }) => [type, `${reason}: ${message}`]));
  expect(said).toMatchObject(texts);
});

test("no report claims missing replicas while it counts all of them as ready", () => {
  const progresses: readonly (AppProgress | undefined)[] = [
    undefined,
    applied,
    failed,
    { state: "applying", key: spec },
  ];
  const states = [seen(["ready", "ready"]), seen(["ready", "ready"], old), seen(["ready", "ready", "crashed"])];
  for (const progress of progresses)
    for (const observed of states) {
      const ready = reportApp({ wish, observed, progress, gates: [], earlier: [], now }).conditions[0];
      expect(ready?.reason, ready?.message).not.toBe("SomeReplicasNotReady");
    }
});
