import { expect, test } from "vitest";
import { decideSnapshot } from "./accept-snapshot.ts";
import type { AppWish, DesiredSnapshot } from "./app-wish.ts";

function aWish(n: number): AppWish {
  return {
    appId: `app-${n}`,
    name: `app-${n}`,
    environment: "test",
    generation: 1n,
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
    specDigest: `sha256:${n}`,
    traceparent: "",
  };
}

function aSnapshot(change: Partial<DesiredSnapshot> = {}): DesiredSnapshot {
  return {
    fabricId: "fabric",
    incarnationId: "one",
    generation: 5n,
    digest: "sha256:5",
    isComplete: true,
    apps: [],
    unusable: [],
    tombstones: [],
    pruneToken: "",
    ...change,
  };
}

function decide(
  candidate: DesiredSnapshot,
  existing: readonly number[] = [],
  current: DesiredSnapshot | undefined = aSnapshot(),
) {
  const existingAppIds = new Set(existing.map((n) => `app-${n}`));
  const verdict = decideSnapshot(candidate, { fabricId: "fabric", current, existingAppIds });
  return verdict.outcome === "refused" ? verdict.reason : verdict.outcome;
}

test.for([
  ["the same again", {}, "unchanged"],
  ["a later generation", { generation: 6n, digest: "sha256:6" }, "accepted"],
  ["other content of the same generation", { digest: "sha256:other" }, "accepted"],
  ["a lower generation", { generation: 4n, digest: "sha256:4" }, "GenerationWentBack"],
  ["a lower generation of a new incarnation", { generation: 1n, digest: "sha256:1", incarnationId: "two" }, "accepted"],
  ["the same digest of a new incarnation", { incarnationId: "two" }, "accepted"],
  ["no incarnation", { generation: 6n, incarnationId: "" }, "Incomplete"],
  ["an incomplete one", { generation: 6n, isComplete: false }, "Incomplete"],
  ["another fabric's", { fabricId: "other" }, "ForeignFabric"],
] as const)("%s is %s (R16)", ([, change, verdict]) => {
  expect(decide(aSnapshot(change))).toBe(verdict);
});

test.for([
  ["three of five", [3, 4], [1, 2, 5], "", "PruneGuard"],
  ["three of five with a token", [3, 4], [1, 2, 5], "prune1.x", "accepted"],
  ["exactly half", [1, 2], [3, 4], "", "accepted"],
  ["two of two", [], [1, 2], "", "accepted"],
  ["all of three", [], [1, 2, 3], "", "PruneGuard"],
] as const)("removing %s is %s", ([, apps, removed, pruneToken, verdict]) => {
  const candidate = aSnapshot({
    generation: 6n,
    digest: "sha256:6",
    apps: apps.map(aWish),
    tombstones: removed.map((n) => ({ appId: `app-${n}`, name: `app-${n}` })),
    pruneToken,
  });
  expect(decide(candidate, [...apps, ...removed])).toBe(verdict);
});

test("tombstones of apps that are gone already remove nothing", () => {
  const tombstones = [1, 2, 3, 4].map((n) => ({ appId: `app-${n}`, name: `app-${n}` }));
  expect(decide(aSnapshot({ generation: 6n, digest: "sha256:6", tombstones }), [])).toBe("accepted");
});

test("is never stricter than the tokens that runtime-manager gives, whatever else runs here", () => {
  // Two apps deleted of two that it knows: no token. A third app here, unknown to it, must not make the guard fire.
  const tombstones = [1, 2].map((n) => ({ appId: `app-${n}`, name: `app-${n}` }));
  expect(decide(aSnapshot({ generation: 6n, digest: "sha256:6", tombstones }), [1, 2, 9])).toBe("accepted");
});
